import mimetypes

print(mimetypes.guess_type("page.html"), mimetypes.guess_type("a.png")[0], mimetypes.inited)
