"use strict";

// Tables whose rows come as JSON: sorted by a press on a column's name, filtered by words, and shown
// a part at a time, so that a table of tens of thousands of rows opens at once.
(() => {
  const STEP = 50;
  const order = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

  function format(value, column) {
    if (value === null) return "–";
    if (column.kind === "text") return value;
    const text = Math.abs(value).toFixed(column.digits);
    if (value < 0) return "\u2212" + text;
    return column.signed ? "+" + text : text;
  }

  function compare(a, b, kind, direction) {
    if (a === null || b === null) return (a === null) - (b === null); // what is missing comes last
    return direction * (kind === "number" ? a - b : order.compare(a, b));
  }

  function setUp(section) {
    const { columns, rows } = JSON.parse(section.querySelector("script").textContent);
    const entries = rows.map((row) => ({
      row,
      text: row.map((value, i) => format(value, columns[i])).join(" ").toLowerCase(),
    }));
    const headers = [...section.querySelectorAll("th")];
    const body = section.querySelector("tbody");
    const filter = section.querySelector("input");
    const count = section.querySelector(".count");
    const more = section.querySelector(".more");
    const box = section.querySelector(".scroll");
    let sorted = entries;
    let found = entries;
    let shown = STEP;

    function cell(value, column) {
      const td = document.createElement("td");
      td.className = column.kind;
      td.textContent = format(value, column);
      return td;
    }

    function draw() {
      const lines = found.slice(0, shown).map(({ row }) => {
        const tr = document.createElement("tr");
        tr.append(...row.map((value, i) => cell(value, columns[i])));
        return tr;
      });
      body.replaceChildren(...lines);
      more.hidden = found.length <= shown;
      const total = entries.length.toLocaleString("en");
      const all = found.length === entries.length;
      const rows = entries.length === 1 ? "row" : "rows";
      count.textContent = all ? `${total} ${rows}` : `${found.length.toLocaleString("en")} of ${total} ${rows}`;
    }

    function search() {
      const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      found = sorted.filter(({ text }) => words.every((word) => text.includes(word)));
      shown = STEP;
      box.scrollTop = 0;
      draw();
    }

    function sortBy(index) {
      const down = headers[index].getAttribute("aria-sort") === "ascending";
      headers.forEach((header) => header.setAttribute("aria-sort", "none"));
      headers[index].setAttribute("aria-sort", down ? "descending" : "ascending");
      const { kind } = columns[index];
      sorted = [...entries].sort((a, b) => compare(a.row[index], b.row[index], kind, down ? -1 : 1));
      search();
    }

    headers.forEach((header, index) => {
      header.querySelector("button").addEventListener("click", () => sortBy(index));
    });
    filter.addEventListener("input", search);
    more.addEventListener("click", () => {
      shown += 4 * STEP;
      draw();
    });
    draw();
  }

  document.querySelectorAll("section.data").forEach(setUp);
})();
