// Draws the report from the JSON and the two blocks of this page.
//
// Every text is data: it reaches the document through `el`, which makes text nodes, and nothing here
// reads markup. Matrices and texts are inflated when somebody looks at them.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const $ = (selector, root = document) => root.querySelector(selector);

/** An element with attributes and children; strings become text nodes. */
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children.filter((child) => child != null));
  return node;
}

const percent = (x, digits = 1) => (x == null ? "–" : (100 * x).toFixed(digits) + "%");
const number = (x) => (x == null ? "–" : Number(x).toLocaleString("en-US", { maximumFractionDigits: 3 }));
const words = (name) => (name === "infra" ? "hole" : name.replaceAll("_", " "));
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
const line = (i) => colour("c" + (i % 9));

function table(node, head, rows) {
  node.replaceChildren(
    el("thead", {}, el("tr", {}, ...head.map((text) => el("th", {}, text)))),
    el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map((cell) => el("td", {}, String(cell)))))),
  );
}

function empty(section, text) {
  for (const part of section.querySelectorAll(".grid, .scroll, h3, p")) part.hidden = true;
  section.append(el("p", { class: "empty" }, text));
}

// ---- charts: drawn when they come into view, drawn again when the theme changes ------------------

const charts = new Map();
const onView = new IntersectionObserver(
  (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => draw(entry.target)),
  { rootMargin: "200px" },
);

/** A figure with a chart; `option` is asked for its content at each drawing. */
function chart(parent, title, note, option) {
  const box = el("div", { class: "chart", role: "img", "aria-label": title });
  parent.append(el("figure", {}, el("figcaption", {}, title, el("span", {}, note ?? "")), box));
  charts.set(box, { option, drawn: null });
  onView.observe(box);
}

function draw(box, again = false) {
  const chart = charts.get(box);
  if (!chart || (chart.drawn && !again)) return;
  chart.drawn ??= echarts.init(box);
  chart.drawn.resize();
  const ink = colour("quiet"), rule = colour("line");
  const axis = { axisLine: { lineStyle: { color: rule } }, axisTick: { show: false },
    axisLabel: { color: ink, fontSize: 10, hideOverlap: true }, splitLine: { lineStyle: { color: rule } },
    nameTextStyle: { color: ink, fontSize: 10 } };
  const given = chart.option();
  const axes = (name) => [].concat(given[name] ?? []).map((one) => ({ ...axis, ...one }));
  chart.drawn.setOption({
    animation: false, textStyle: { fontFamily: "inherit" },
    grid: { left: 6, right: 14, top: given.legend ? 30 : 12, bottom: 4, containLabel: true },
    tooltip: { trigger: "axis", renderMode: "richText", confine: true, backgroundColor: colour("card"),
      borderColor: rule, textStyle: { color: colour("ink"), fontSize: 11 }, ...given.tooltip },
    legend: given.legend ? { top: 0, left: 0, type: "scroll", itemWidth: 12, itemHeight: 8,
      textStyle: { color: ink, fontSize: 10 }, ...given.legend } : undefined,
    xAxis: axes("xAxis"), yAxis: axes("yAxis"), series: given.series,
  }, true);
}

function drawAll() {
  for (const [box, chart] of charts) if (chart.drawn) draw(box, true);
  for (const canvas of document.querySelectorAll("canvas[data-problem]")) paint(canvas);
}

// ---- held-out curves ----------------------------------------------------------------------------

const FIGURES = {
  solver: { code_pass_at_1: "one sample, by reference tests", code_uniqueness: "distinct programs / programs" },
  verifier: {
    test_validity: "asserts that hold", test_suite_validity: "suites that hold",
    test_kill_rate: "wrong programs killed per valid assert", test_mutation_score: "wrong programs killed at all",
    test_false_positive_rate: "readable suites that reject the reference",
    test_parse_rate: "readable completions", test_uniqueness: "distinct tests / tests",
    test_input_size: "elements in an input",
  },
};

/** A figure of a set that has a name is called set/figure. */
const kind = (name) => name.split("/").at(-1);

function figuresOf(role, temperature) {
  const found = new Set();
  for (const run of data.curves) Object.keys(run.points[temperature] ?? {}).forEach((name) => found.add(name));
  const prefix = role === "solver" ? "code_" : "test_";
  const known = Object.keys(FIGURES[role]);
  const place = (name) => (known.indexOf(kind(name)) + 1 || (kind(name).startsWith("code_pass") ? 1.5 : 99));
  return [...found].filter((name) => kind(name).startsWith(prefix)).sort((a, b) => place(a) - place(b));
}

function curve(name, temperature) {
  const series = [];
  const many = data.curves.length > 1;
  data.curves.forEach((run, i) => {
    const points = run.points[temperature]?.[name] ?? [];
    const style = { color: line(i), width: i ? 1.5 : 2, type: i ? "dashed" : "solid" };
    const band = (values, area) => ({ type: "line", data: values, stack: "band" + i, stackStrategy: "all", silent: true,
      symbol: "none", lineStyle: { opacity: 0 }, areaStyle: area, tooltip: { show: false }, name: "", z: 1 });
    if (points.length > 1) series.push(
      band(points.map((p) => [p[0], p[2]]), undefined),
      band(points.map((p) => [p[0], p[3] - p[2]]), { color: line(i), opacity: 0.14 }));
    series.push({ type: "line", name: run.name, data: points.map((p) => [p[0], p[1], p[2], p[3], p[4]]), z: 3,
      symbol: "circle", symbolSize: 6, lineStyle: style, itemStyle: { color: line(i) },
      markLine: points.length === 1 ? { silent: true, symbol: "none", label: { show: false }, lineStyle: style,
        data: [[{ coord: [points[0][0], points[0][2]] }, { coord: [points[0][0], points[0][3]] }]] } : undefined });
  });
  const last = Math.max(1, ...data.curves.flatMap((run) => (run.points[temperature]?.[name] ?? []).map((p) => p[0])));
  return {
    xAxis: { type: "value", min: 0, max: last, minInterval: 1, splitLine: { show: false } },
    yAxis: { type: "value", scale: true, splitNumber: 4 },
    legend: many ? { data: data.curves.map((run) => run.name) } : undefined, series,
    tooltip: { formatter: (found) => found.filter((f) => f.seriesName).map((f) =>
      `${many ? f.seriesName + "\n" : ""}iteration ${f.value[0]}: ${number(f.value[1])}\n${number(f.value[2])} to ${number(f.value[3])}, ${f.value[4]} problems`).join("\n") },
  };
}

function heldout() {
  const section = $("#heldout");
  const temperatures = [...new Set(data.curves.flatMap((run) => Object.keys(run.points)))];
  if (!temperatures.length) return empty(section, "No held-out figures yet: they come with the first evaluation.");
  const choice = $("#temperature");
  const named = (t) => (Number(t) === 0 ? "T = 0 (greedy)" : "T = " + t);
  choice.append(...temperatures.map((t) => el("option", { value: t }, named(t))));
  choice.value = temperatures.find((t) => Number(t) === data.headline) ?? temperatures[0];
  const show = () => {
    const t = choice.value;
    for (const role of ["solver", "verifier"]) {
      const grid = $(`[data-role=${role}]`, section);
      grid.querySelectorAll(".chart").forEach((box) => { charts.get(box).drawn?.dispose(); charts.delete(box); });
      grid.replaceChildren();
      for (const name of figuresOf(role, t)) chart(grid, words(name), FIGURES[role][kind(name)], () => curve(name, t));
    }
    const rows = [];
    for (const name of [...figuresOf("solver", t), ...figuresOf("verifier", t)])
      data.curves.forEach((run, i) => {
        const points = run.points[t]?.[name];
        if (!points) return;
        const [base, last] = [points[0], points.at(-1)];
        const change = points.length > 1 && base[1] ? (last[1] / base[1] - 1) : null;
        const cell = (p) => `${number(p[1])}  [${number(p[2])}, ${number(p[3])}]`;
        const label = words(name) + (i ? " · " + run.name : "");
        rows.push([label, cell(base), points.length > 1 ? cell(last) : "–",
          change == null ? "–" : (change > 0 ? "+" : "") + percent(change), last[4]]);
      });
    table($("table", section), ["", "base", "last iteration", "relative", "problems"], rows);
  };
  choice.addEventListener("change", show);
  show();
}

// ---- training, mix, time, selectors -------------------------------------------------------------

function training() {
  const section = $("#training"), grid = $(".grid", section);
  if (!data.training.length) return empty(section, "Nothing was trained yet.");
  const drawn = [["sft", "loss"], ["dpo", "loss"], ["dpo", "margin"], ["dpo", "accuracy"]];
  for (const [phase, what] of drawn) {
    const curves = data.training.filter((one) => one.phase === phase && one[what].length);
    if (!curves.length) continue;
    chart(grid, `${phase.toUpperCase()} ${what}`, "by optimiser step", () => ({
      legend: {}, xAxis: { type: "value", min: 1, max: Math.max(...curves.map((c) => c.steps)), splitLine: { show: false } },
      yAxis: { type: "value", scale: true, splitNumber: 4 },
      tooltip: { valueFormatter: number },
      series: curves.map((c) => ({ type: "line", name: "iteration " + c.iteration, data: c[what], symbol: c[what].length > 1 ? "none" : "circle",
        lineStyle: { width: 1.6, color: line(c.iteration - 1) }, itemStyle: { color: line(c.iteration - 1) } })),
    }));
  }
}

const label = (iteration) => (data.is_run ? "iteration " + iteration : "all problems");

function stacked(key, order, colours) {
  return () => ({
    legend: {}, tooltip: { axisPointer: { type: "shadow" }, valueFormatter: (x) => percent(x, 2) },
    xAxis: { type: "value", max: 1, axisLabel: { formatter: (x) => percent(x, 0), color: colour("quiet"), fontSize: 10 } },
    yAxis: { type: "category", data: data.mix.map((m) => label(m.iteration)), inverse: true },
    series: order.map((name, i) => ({ type: "bar", stack: "all", name: words(name), barMaxWidth: 26, itemStyle: { color: colours(name, i) },
      data: data.mix.map((m) => (m[key][name] ?? 0) / Math.max(1, Object.values(m[key]).reduce((a, b) => a + b, 0))) })),
  });
}

function mix() {
  const section = $("#mix"), grid = $(".grid", section);
  if (!data.mix.length) return empty(section, "No matrix yet.");
  const present = (key) => Object.keys(Object.assign({}, ...data.mix.map((m) => m[key]))).filter((name) => data.mix.some((m) => m[key][name]));
  const trust = { proven: "v-pass", vouched: "v-memory", inline: "v-timeout", none: "v-infra" };
  chart(grid, "Verdicts", "share of cells", stacked("verdicts", present("verdicts"), (name) => colour("v-" + name)));
  chart(grid, "Trust", "on whose word a verdict rests", stacked("trust", present("trust"), (name) => colour(trust[name])));
  chart(grid, "Problems", data.is_run ? "used for training, or why not" : `what ${data.selector} made of them`, stacked("uses", present("uses"), (name, i) => line(i)));
  const rows = [];
  for (const m of data.mix) {
    const most = (counts) => Object.entries(counts).filter((x) => x[1]).sort((a, b) => b[1] - a[1]).slice(0, 4).map(([k, n]) => `${number(n)} ${words(k)}`).join(", ") || "none";
    const [vacuous, tests] = m.vacuous;
    rows.push([label(m.iteration), most(m.verdicts), `${number(vacuous)} of ${number(tests)}`, number(m.held), most(m.dropped)]);
  }
  table($("table", section), ["", "cells", "vacuous tests", "held back", "dropped samples"], rows);
}

function time() {
  const section = $("#time"), grid = $(".grid", section);
  const phases = [...new Set(data.phases.map((p) => p[1]))], iterations = [...new Set(data.phases.map((p) => p[0]))];
  if (!phases.length && !data.timelines.length) return empty(section, "No phase has ended yet.");
  if (phases.length) chart(grid, "Wall time by phase", "seconds", () => ({
    legend: {}, tooltip: { axisPointer: { type: "shadow" }, valueFormatter: (x) => number(x) + " s" },
    xAxis: { type: "value" }, yAxis: { type: "category", data: iterations.map(label), inverse: true },
    series: phases.map((phase, i) => ({ type: "bar", stack: "all", name: phase, barMaxWidth: 26, itemStyle: { color: line(i) },
      data: iterations.map((n) => data.phases.filter((p) => p[0] === n && p[1] === phase).reduce((sum, p) => sum + p[2], 0)) })),
  }));
  for (const t of data.timelines) {
    const note = t.overlap == null ? "generation" : `${percent(t.overlap, 0)} of the cells were judged while samples still came`;
    const series = (name, values, axis, i) => ({ type: "line", step: "start", symbol: "none", name, yAxisIndex: axis, areaStyle: { opacity: 0.12, color: line(i) },
      lineStyle: { width: 1.3, color: line(i) }, itemStyle: { color: line(i) }, data: values.map((v, k) => [t.seconds[k], v]) });
    chart(grid, `Play, ${label(t.iteration)}`, note, () => ({
      legend: {}, tooltip: { valueFormatter: number }, xAxis: { type: "value", min: 0, max: Math.max(1, t.seconds.at(-1)), splitLine: { show: false } },
      yAxis: [{ type: "value", splitNumber: 3 }, { type: "value", splitNumber: 3, splitLine: { show: false } }],
      series: [series("tokens/s", t.tokens, 0, 0)].concat(t.cells.length ? [series("cells/s (right)", t.cells, 1, 1)] : []),
    }));
  }
  const rows = iterations.map((n) => {
    const seconds = (phase) => data.phases.find((p) => p[0] === n && p[1] === phase)?.[2];
    const played = data.played[n], play = seconds("play");
    const tokens = data.samples.filter((s) => s[0] === n && s[1] === "play").reduce((sum, s) => sum + s[5], 0);
    return [label(n), ...phases.map((p) => (seconds(p) == null ? "–" : number(Math.round(10 * seconds(p)) / 10))), play ? number(Math.round(tokens / play)) : "–", play && played ? number(Math.round(played.cells / play)) : "–"];
  });
  if (rows.length) table($("table", section), ["", ...phases.map((p) => p + ", s"), "tokens/s of play", "cells/s of play"], rows);
}

function selectors() {
  const section = $("#selectors"), rows = data.selectors.filter(() => data.problems.length);
  if (!rows.length) return empty(section, "No matrix yet.");
  const judged = rows.some((s) => s.pass_at_1);
  $("p", section).textContent = judged
    ? "pass@1 of each selector's choice, by the benchmark's own test, which no selector sees."
    : `No problem of self-play has a reference: shown is how far each agrees with ${data.selector}, which this run believed.`;
  const value = (s) => (judged ? s.pass_at_1?.[0] : s.same);
  chart($(".grid", section), judged ? "pass@1" : "Agreement with " + data.selector, judged ? "95% intervals in the table" : "its best program is accepted there too", () => ({
    tooltip: { axisPointer: { type: "shadow" }, valueFormatter: (x) => percent(x) },
    xAxis: { type: "value", axisLabel: { formatter: (x) => percent(x, 0), color: colour("quiet"), fontSize: 10 } },
    yAxis: { type: "category", data: rows.map((s) => s.name), inverse: true },
    series: [{ type: "bar", barMaxWidth: 14, data: rows.map((s) => ({ value: value(s), itemStyle: { color: s.name === data.selector ? line(1) : line(0) } })) }],
  }));
  const interval = (s) => (s.pass_at_1 ? `${percent(s.pass_at_1[0])}  [${percent(s.pass_at_1[1])}, ${percent(s.pass_at_1[2])}]` : "–");
  table($("table", section), ["selector", "pass@1", "accepts anything", "best also accepted by " + data.selector, "programs accepted", "tests accepted"],
    rows.map((s) => [s.name, interval(s), percent(s.believing), percent(s.same), percent(s.programs), percent(s.tests)]));
}

// ---- matrices -----------------------------------------------------------------------------------

const blocks = {};

/** The inflated bytes of an entry of a block. */
async function entry(name, place) {
  blocks[name] ??= Uint8Array.from(atob(document.getElementById(name).textContent), (c) => c.charCodeAt(0));
  const part = blocks[name].subarray(place[0], place[0] + place[1]);
  const stream = new Blob([part]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const problems = data.problems.map(([id, iteration, use, why, shape, whole, accepted, matrix, text], index) =>
  ({ id, iteration, use, why, shape, whole, accepted, matrix, text, index }));

async function textsOf(problem) {
  if (!problem.text) return null;
  problem.texts ??= JSON.parse(new TextDecoder().decode(await entry("texts", problem.text)));
  return problem.texts;
}

function rgb(name) {
  const hex = colour(name);
  return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
}

/** Paints the matrix of canvas.dataset.problem: a pixel per cell, or large, with groups, where data-zoom is set. */
async function paint(canvas) {
  const problem = problems[canvas.dataset.problem], [rows, columns] = problem.shape;
  if (!problem.matrix || !rows || !columns) return;
  problem.cells ??= await entry("matrices", problem.matrix);
  const colours = data.verdicts.map((name) => rgb("v-" + name)), less = rgb("v-less");
  canvas.width = columns; canvas.height = rows;
  const context = canvas.getContext("2d"), image = context.createImageData(columns, rows);
  problem.cells.forEach((cell, i) => {
    const verdict = cell & 15, trust = (cell >> 4) & 3;
    const [r, g, b] = verdict === 1 && trust < 3 ? less : colours[verdict];
    image.data.set([r, g, b, cell & 128 ? 120 : 255], 4 * i);
  });
  if (!canvas.dataset.zoom) return context.putImageData(image, 0, 0);
  const small = await createImageBitmap(image);
  const shape = Math.min(2, Math.max(0.8, columns / rows)); // no matrix is drawn as a mere strip
  canvas.width = Math.round(1040 * Math.min(1, shape)); canvas.height = Math.round(canvas.width / shape);
  const wide = canvas.width / columns, high = canvas.height / rows;
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
  const groups = problem.texts?.groups ?? [];
  context.fillStyle = colour("card");
  if (high >= 6) for (let row = 1; row < rows; row++)
    if (groups[row] !== groups[row - 1]) context.fillRect(0, Math.round(row * high) - 1, canvas.width, 2);
  const [solutions, tests] = problem.accepted;
  context.strokeStyle = colour("ink"); context.lineWidth = 4;
  if (solutions && tests) context.strokeRect(1, 1, Math.min(tests, columns) * wide - 2, Math.min(solutions, rows) * high - 2);
}

function shapeOf(problem) {
  const [s, t] = problem.whole, [a, b] = problem.accepted;
  return `${s} programs × ${t} tests, ${a} and ${b} accepted`;
}

function card(problem) {
  const canvas = el("canvas", { "data-problem": problem.index });
  paint(canvas);
  const node = el("button", { type: "button", class: "card" }, canvas, el("span", {}, el("b", {}, problem.id),
    el("small", {}, (data.is_run ? `iteration ${problem.iteration} · ` : "") + problem.use), el("small", {}, shapeOf(problem)),
    ...problem.why.slice(0, 3).map((text) => el("small", { class: "why" }, text))));
  node.addEventListener("click", () => open(problem));
  return node;
}

async function open(problem) {
  const dialog = $("#detail");
  await detail($("div", dialog), problem);
  dialog.showModal();
  dialog.scrollTop = 0;
}

/** Fills `node` with everything about a problem. */
async function detail(node, problem) {
  const texts = await textsOf(problem);
  const canvas = el("canvas", { "data-problem": problem.index, "data-zoom": "1" });
  const readout = el("p", { class: "quiet readout" }, "Rows: programs by agreement, the accepted ones first. Columns: tests. Outlined: accepted.");
  canvas.addEventListener("pointermove", (event) => { readout.textContent = cellAt(problem, canvas, event); });
  const example = ([source, accepted, weight, reason]) => el("div", { class: "example" },
    el("p", { class: "quiet" }, el("span", { class: "badge " + (accepted ? "ok" : "alarm") }, accepted ? "accepted" : "refused"),
      ` ${weight} sample${weight === 1 ? "" : "s"} · ${reason}`), el("pre", {}, source));
  const list = (title, found) => el("div", {}, el("h3", {}, title), ...found.map(example));
  const left = el("div", {}, canvas, readout);
  const right = el("div", {}, el("h3", {}, "Problem"), el("pre", {}, texts ? texts.prompt : "No room for the texts of this problem in this file."),
    ...problem.why.map((text) => el("p", { class: "watch" }, text)));
  node.replaceChildren(el("h2", {}, problem.id), el("p", { class: "quiet" }, `${problem.use} · ${shapeOf(problem)}`), el("div", { class: "detail" }, left, right));
  if (texts) node.append(el("div", { class: "two" }, list("Programs, one of each group", texts.solutions), list("Tests", texts.tests)));
  if (!problem.matrix) readout.textContent = "No room for this matrix in this file.";
  await paint(canvas);
}

function cellAt(problem, canvas, event) {
  const box = canvas.getBoundingClientRect(), [rows, columns] = problem.shape;
  const row = Math.min(rows - 1, Math.floor(((event.clientY - box.top) / box.height) * rows));
  const column = Math.min(columns - 1, Math.floor(((event.clientX - box.left) / box.width) * columns));
  const cell = problem.cells?.[row * columns + column] ?? 0;
  const weight = problem.texts?.weights[row], group = problem.texts?.groups[row];
  const who = group == null ? "" : `, group ${group + 1}, ${weight} sample${weight === 1 ? "" : "s"}`;
  const more = (cell & 64 ? ", held back for want of trust" : "") + (cell & 128 ? ", flipped" : "");
  return `program ${row + 1}${who} · test ${column + 1} · ${words(data.verdicts[cell & 15])}, trust ${data.trusts[(cell >> 4) & 3]}${more}`;
}

function gallery() {
  const section = $("#problems"), cards = $(".cards", section);
  if (!problems.length) return empty(section, "No matrix yet.");
  $("#legend").append("Sorted so that groups of programs that agree stand together. ",
    ...data.verdicts.filter((name) => data.mix.some((m) => m.verdicts[name])).flatMap((name) =>
      [el("i", { style: `background:var(--v-${name})` }), words(name)]));
  const iterations = [...new Set(problems.map((p) => p.iteration))].sort((a, b) => a - b), choice = $("#iteration"), find = $("#find");
  choice.append(el("option", { value: "" }, "all"), ...iterations.map((i) => el("option", { value: i }, String(i))));
  choice.parentElement.hidden = iterations.length < 2;
  let found = problems, count = 0;
  const more = () => {
    cards.append(...found.slice(count, count + 24).map(card));
    count = Math.min(found.length, count + 24);
    $("#more").hidden = count === found.length;
    const { matrices, texts } = data.left_out;
    const missing = matrices || texts ? `; no room for ${matrices} matrices and the texts of ${texts} problems` : "";
    $("#shown").textContent = `${count} of ${found.length}${missing}`;
  };
  const filter = () => {
    const wanted = find.value.toLowerCase();
    found = problems.filter((p) => (choice.value === "" || p.iteration === Number(choice.value)) &&
      [p.id, p.use, ...p.why].join(" ").toLowerCase().includes(wanted));
    count = 0;
    cards.replaceChildren();
    more();
  };
  $("#more").addEventListener("click", more);
  find.addEventListener("input", filter);
  choice.addEventListener("change", filter);
  more();
}

async function examples() {
  const node = $("#examples > div"), good = ["used", "accepted"];
  const withTexts = problems.filter((p) => p.text);
  const trusted = withTexts.filter((p) => good.includes(p.use)).at(-1);
  const chosen = [...new Set([withTexts[0], trusted, withTexts.find((p) => !good.includes(p.use))])].filter(Boolean);
  if (!chosen.length) return empty($("#examples"), "No matrix yet.");
  for (const problem of chosen) {
    const box = el("div", {});
    node.append(box);
    await detail(box, problem);
  }
}

// ---- the rest -----------------------------------------------------------------------------------

function head() {
  $("#name").textContent = data.name;
  $("#about").textContent = `${data.is_run ? "self-play run" : "exec"} · ${data.folder} · sv-engine ${data.version}`;
  $("#facts").append(...data.facts.map(([name, value]) => el("li", {}, el("span", {}, name), el("b", {}, value))));
  $("#alarms ul").append(...data.alarms.map(([level, name, text]) =>
    el("li", {}, el("span", { class: "badge " + level }, level), el("b", {}, name), el("span", {}, text))));
  $("#config pre").textContent = data.config;
}

function prompts() {
  const node = $("#prompts > div");
  if (!data.prompts.length) empty($("#prompts"), "No sample yet.");
  data.prompts.forEach(([iteration, stage, role, problem, sampling, prompt, answer], i) => node.append(
    el("details", i < 2 ? { open: "" } : {}, el("summary", {}, `${role} · ${stage}, iteration ${iteration}, ${problem}`),
      el("p", { class: "quiet" }, "sampling " + sampling), el("pre", {}, prompt), el("p", { class: "quiet" }, "first answer"), el("pre", {}, answer))));
  for (const text of data.refusals) node.append(el("p", { class: "watch" }, "refused: " + text));
}

function theme() {
  const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)"), print = matchMedia("print");
  let chosen = null;
  const apply = () => {
    root.dataset.theme = print.matches ? "light" : chosen ?? (dark.matches ? "dark" : "light");
    drawAll();
  };
  dark.addEventListener("change", apply);
  print.addEventListener("change", apply);
  addEventListener("beforeprint", () => { root.dataset.theme = "light"; for (const box of charts.keys()) draw(box); drawAll(); });
  $("#theme").addEventListener("click", () => { chosen = root.dataset.theme === "dark" ? "light" : "dark"; apply(); });
  apply();
}

function live() {
  let seen = null;
  setInterval(async () => {
    const stamp = await fetch("stamp").then((reply) => reply.text()).catch(() => seen);
    if (seen !== null && stamp !== seen && !$("#detail").open) location.reload();
    seen = stamp;
  }, 3000);
}

/** An exec has matrices only. */
function withoutRun() {
  for (const name of ["heldout", "training", "time", "prompts"]) {
    $("#" + name).remove();
    $(`nav a[href="#${name}"]`).remove();
  }
}

theme();
head();
if (data.is_run) [heldout, training, time, prompts].forEach((show) => show());
else withoutRun();
mix();
selectors();
gallery();
$("#detail .close").addEventListener("click", () => $("#detail").close());
$("#detail").addEventListener("click", (event) => { if (event.target === $("#detail")) $("#detail").close(); });
let resizing = 0;
addEventListener("resize", () => { clearTimeout(resizing); resizing = setTimeout(() => charts.forEach((c) => c.drawn?.resize()), 150); });
if (data.live) live();
examples().then(() => {
  document.documentElement.dataset.readyMs = Math.round(performance.now());
  document.documentElement.dataset.ready = "yes";
});
