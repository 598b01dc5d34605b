"""One self-contained HTML file from the folder of a run or of an `exec`.

In: the folder as it is on disk, also while a run still writes it; nothing else is asked. Out: one
page that makes no request. The order of the way:

    read      journal or summary  -> `Record`: figures, training, phases, samples, prompts
    problems  stored outcomes     -> `Seen`: sorted matrix, what is suspicious, examples
    pack      matrices and texts  -> one bounded block, each entry opened on demand
    alarms    figures             -> what to worry about
    page      all of it           -> HTML; `page.html`, `report.css`, `report.js`, `echarts/`
    server    a folder            -> the same page live on loopback, and Prometheus figures
    track     a run               -> tensorboard, wandb or trackio

Everything that a model wrote is data: it reaches the page as JSON in ASCII without `<`, or as
base64, and `report.js` puts it into text nodes only. A content security policy with the digest of
our own script stands behind that.
"""
