"use strict";
// Tables sort and filter; one of their groups is shown at a time. Without this script all rows are.
const collator = new Intl.Collator("en", { numeric: true });

function sortable(box) {
  const heads = [...box.querySelectorAll("thead th")];
  const search = box.querySelector(".search");
  const group = box.querySelector(".group");
  const bodies = [...box.querySelectorAll("tbody")];
  const rows = (body) => [...body.querySelectorAll("tr:not(.name)")];

  const show = () => {
    const words = (search?.value ?? "").toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0, all = 0;
    for (const body of bodies) {
      const chosen = !group || !group.value || group.value === body.dataset.group;
      let here = 0;
      for (const row of chosen ? rows(body) : []) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        here += !row.hidden;
        all += 1;
      }
      body.hidden = !here;
      shown += here;
    }
    box.querySelector(".count").textContent = `${shown} of ${all} rows`;
  };

  const sort = (head) => {
    const up = head.ariaSort !== "ascending";
    for (const other of heads) other.ariaSort = null;
    head.ariaSort = up ? "ascending" : "descending";
    const at = heads.indexOf(head), numbers = head.classList.contains("number");
    const size = (row) => {
      const cell = row.cells[at], text = cell.dataset.size ?? cell.textContent.trim();
      return numbers ? parseFloat(text.replaceAll(",", "")) : text;
    };
    for (const body of bodies) {
      const sized = rows(body).map((row) => [size(row), row]);
      sized.sort(([a], [b]) => {
        if (!numbers) return (up ? 1 : -1) * collator.compare(a, b);
        if (isNaN(a) || isNaN(b)) return isNaN(a) - isNaN(b); // what has no number comes last
        return up ? a - b : b - a;
      });
      body.append(...sized.map(([, row]) => row));
    }
  };

  for (const head of heads) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(head));
    head.append(button);
  }
  search?.addEventListener("input", show);
  group?.addEventListener("change", show);
  box.querySelector(".controls").hidden = false;
  show();
}

// The eras: a lane for each run, in which a point stands at its time on the machine that was picked.
const SHAPES = { pretrained: "●○", "in print": "▲△", "the whole recipe": "■□" }; // measured, computed
const RANDOM = "◆◇";

function eras(box, { ticks, marks, lanes }, picked) {
  const points = lanes.flatMap((lane) => Object.values(lane.points));
  const times = points.flatMap((point) => [point.seconds, ...(point.ends ?? [])]).concat(Object.values(ticks));
  const low = Math.log(Math.min(...times) / 2), high = Math.log(Math.max(...times) * 2);
  const place = (seconds) => `${(100 * (Math.log(seconds) - low)) / (high - low)}%`;
  const make = (parent, tag, kind, text = "") => {
    const element = document.createElement(tag);
    element.className = kind;
    element.textContent = text;
    parent.append(element);
    return element;
  };

  const across = make(box, "div", "ticks");
  for (const [kind, all] of [["tick", ticks], ["tick mark", marks]]) {
    for (const [name, seconds] of Object.entries(all)) {
      const tick = make(across, "div", kind);
      tick.style.left = place(seconds);
      make(tick, "span", "", name);
    }
  }
  let data = "";
  const drawn = lanes.map((lane) => {
    if (lane.data !== data) make(make(box, "h3", ""), "span", "", (data = lane.data));
    const row = make(box, "div", "lane");
    const name = make(row, "div", "name", `${lane.name} `);
    if (!lane.name.startsWith(lane.start)) make(name, "span", "start", lane.start);
    const track = make(row, "div", "track");
    return { lane, range: make(track, "span", "range"), dot: make(track, "span", "dot"), said: make(track, "span", "said-time") };
  });
  const legend = "● pretrained, ◆ random start, ▲ in print, ■ the whole recipe; filled: measured, hollow: computed; a bar: range over seeds; –: not run there, or the error was not reached";
  make(make(box, "p", "legend"), "span", "", legend);

  const draw = () => {
    for (const { lane, range, dot, said } of drawn) {
      const point = lane.points[picked.value];
      dot.hidden = range.hidden = !point;
      said.classList.toggle("absent", !point);
      said.classList.remove("left");
      said.textContent = point ? point.said : "–";
      said.style.left = 0;
      if (!point) continue;
      const [from, to] = point.ends ?? [point.seconds, point.seconds];
      dot.textContent = (SHAPES[lane.start] ?? RANDOM)[point.measured ? 0 : 1];
      dot.style.left = said.style.left = place(point.seconds);
      said.classList.toggle("left", parseFloat(place(point.seconds)) > 50);
      range.style.left = place(from);
      range.style.width = `calc(${place(to)} - ${place(from)})`;
    }
    const n = drawn.filter(({ lane }) => lane.points[picked.value]).length;
    box.ariaLabel = `Times of ${n} runs on ${picked.value}, on a logarithmic axis from seconds to years; the table below has them.`;
  };
  picked.addEventListener("change", draw);
  box.hidden = false;
  draw();
}

document.querySelectorAll(".sortable").forEach(sortable);
const picked = document.getElementById("group-time");
if (picked) eras(document.getElementById("axis"), JSON.parse(document.getElementById("axis-data").textContent), picked);
