// Sorts and filters the table of submissions, and keeps both in the address, so that Back finds them again.
"use strict";

const table = document.getElementById("submissions");
const body = table.tBodies[0];
const headers = [...table.tHead.rows[0].cells];
const rows = [...body.rows].map((row) => ({ row, text: (row.textContent + " " + row.dataset.text).toLowerCase() }));
const form = document.getElementById("filters");
const fields = ["text", "outcome", "task", "as"].map((name) => document.getElementById(name));
const chosen = document.getElementById("chosen");
let group = "";
let sorted = { column: 0, descending: false };

// What a row is sorted by in a column: a number, null for none, or a text.
function key(row, column) {
  const cell = row.cells[column];
  if (headers[column].dataset.kind === "number") {
    return cell.dataset.key === "" ? null : Number(cell.dataset.key);
  }
  return cell.textContent.trim().toLowerCase();
}

// Whether a comes before b: below 0; none always comes last.
function compare(a, b, descending) {
  if (a === null || b === null) {
    return (a === null) - (b === null);
  }
  const order = typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true });
  return descending ? -order : order;
}

function sort(column, descending) {
  sorted = { column, descending };
  const keyed = rows.map((entry) => ({ row: entry.row, key: key(entry.row, column) }));
  keyed.sort((a, b) => compare(a.key, b.key, descending));
  body.append(...keyed.map((entry) => entry.row));
  headers.forEach((header, place) => {
    if (place === column) {
      header.setAttribute("aria-sort", descending ? "descending" : "ascending");
    } else {
      header.removeAttribute("aria-sort");
    }
  });
}

// Whether the states of a row's tasks fit what is asked: a task's number or "", a state, "lost" or "".
function fits(row, task, as) {
  if (as === "" && task === "") {
    return true;
  }
  const cells = [...row.querySelectorAll("td[data-state]")];
  const asked = task === "" ? cells : cells.slice(task - 1, task);
  return asked.some((cell) => as === "" || (as === "lost" ? cell.dataset.state !== "passed" : cell.dataset.state === as));
}

function filter() {
  const [text, outcome, task, as] = fields.map((field) => field.value);
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const entry of rows) {
    const data = entry.row.dataset;
    const shown = words.every((word) => entry.text.includes(word))
      && (outcome === "" || (outcome === "changed" ? "changed" in data : data.outcome === outcome))
      && fits(entry.row, task, as)
      && (group === "" || data.groups.includes(` ${group} `));
    entry.row.hidden = !shown;
    count += shown;
  }
  document.getElementById("count").textContent = `${count} of ${rows.length} shown`;
  document.getElementById("nobody").hidden = count > 0;
  chosen.hidden = group === "";
  chosen.textContent = group === "" ? "" : `alike: group ${group}`;
}

function remember() {
  const state = new URLSearchParams();
  fields.forEach((field) => field.value && state.set(field.id, field.value));
  if (group) {
    state.set("group", group);
  }
  if (sorted.column || sorted.descending) {
    state.set("sort", sorted.column + (sorted.descending ? "-" : ""));
  }
  history.replaceState(null, "", "#" + state);
}

// Show one group, or all submissions, and forget all other filters.
function choose(number) {
  form.reset();
  group = number;
  filter();
  remember();
}

// Take filters and order from the address; anything else there is the name of a section.
function recall() {
  if (!location.hash.includes("=")) {
    return;
  }
  const state = new URLSearchParams(location.hash.slice(1));
  fields.forEach((field) => { field.value = state.get(field.id) || ""; });
  group = /^\d+$/.test(state.get("group") || "") ? state.get("group") : "";
  const order = /^(\d+)(-?)$/.exec(state.get("sort") || "0");
  if (order && order[1] < headers.length) {
    sort(Number(order[1]), order[2] === "-");
  }
  filter();
  document.getElementById("table").scrollIntoView();
}

headers.forEach((header, column) => header.querySelector("button").addEventListener("click", () => {
  sort(column, sorted.column === column && !sorted.descending);
  remember();
}));
for (const happening of ["input", "change"]) {
  form.addEventListener(happening, () => { filter(); remember(); });
}
form.addEventListener("submit", (event) => event.preventDefault());
document.getElementById("clear").addEventListener("click", () => choose(""));
for (const button of document.querySelectorAll("button.show")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    choose(button.dataset.group);
    document.getElementById("table").scrollIntoView();
    table.parentElement.focus({ preventScroll: true });
  });
}
window.addEventListener("hashchange", recall);
form.hidden = false;
filter();
recall();
