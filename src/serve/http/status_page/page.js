// What the pages do beyond being read: they stay current, can be narrowed without a reload, and carry out what an operator
// asks for. Rows come as HTML from the server, which has escaped whatever is not its own; there is no second way to draw them.
"use strict";

const table = document.querySelector("#accounts");
const connection = document.querySelector("#connection");
const outcome = document.querySelector("#outcome");
const filter = document.querySelector("#filter");

/* Rows that stay current */

// By account: its row, and each of its cells as the server sent it, because times are rewritten while they are shown.
const rows = new Map();

const cellsOf = (row) => Array.from(row.cells, (cell) => cell.innerHTML);

function parsed(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild;
}

// In the server's order, which is that of the bytes in UTF-8; that of code points is the same.
function isBefore(a, b) {
  const [left, right] = [Array.from(a), Array.from(b)];
  const at = left.findIndex((char, n) => char !== right[n]);
  if (at < 0) return left.length < right.length;
  return at < right.length && left[at].codePointAt(0) < right[at].codePointAt(0);
}

function insert(id, row) {
  const body = table.tBodies[0];
  const next = Array.from(body.rows).find((other) => isBefore(id, other.dataset.id));
  body.insertBefore(row, next ?? null);
  rows.set(id, { row, cells: cellsOf(row) });
}

// Only cells that are different are replaced, so that neither the focus nor a selection is lost for nothing.
function update(shown, next) {
  const cells = cellsOf(next);
  Object.assign(shown.row.dataset, next.dataset);
  [...next.cells].forEach((cell, n) => {
    if (cells[n] === shown.cells[n]) return;
    const focused = shown.row.cells[n].contains(document.activeElement);
    shown.row.cells[n].replaceWith(cell);
    if (focused) cell.querySelector("a")?.focus();
  });
  shown.cells = cells;
}

function take({ all, rows: changed, removed, counts }) {
  const only = table.dataset.only;
  const addsRows = only === undefined && "whole" in table.dataset;
  for (const [id, html] of Object.entries(changed)) {
    const next = parsed(html);
    const shown = rows.get(id);
    const version = shown?.row.dataset.version;
    if (shown) update(shown, next);
    else if (addsRows) insert(id, next);
    if (only !== undefined && shown && shown.row.dataset.version !== version) refreshDetails();
  }
  const gone = all ? [...rows.keys()].filter((id) => !Object.hasOwn(changed, id)) : removed;
  for (const id of gone) {
    rows.get(id)?.row.remove();
    rows.delete(id);
    if (only !== undefined) say(connection, "This account is not in the configuration any more.");
  }
  for (const choice of document.querySelectorAll("[data-state]")) {
    const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
    choice.querySelector(".total").textContent = choice.dataset.state ? counts[choice.dataset.state] : total;
  }
  narrow();
  showTimes();
}

function listen() {
  const source = new EventSource(table.dataset.events);
  source.addEventListener("rows", (event) => {
    say(connection, "Live");
    take(JSON.parse(event.data));
  });
  source.addEventListener("error", () => {
    say(connection, "Not connected: what is shown may be old");
    // Whoever is refused is not tried again by itself.
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 10_000);
  });
}

/* What has changed below the row: letters, runs and buttons, from the page as it is now */

async function refreshDetails() {
  const answer = await fetch(location.href).catch(() => null);
  if (!answer?.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const details = page.querySelector("#details");
  if (!details) return;
  document.querySelector("#details").replaceWith(document.importNode(details, true));
  showButtons();
  showTimes();
}

/* Search and state */

function narrow() {
  if (!filter || !("whole" in table.dataset)) return;
  const search = filter.elements.search.value.toLowerCase();
  const state = filter.elements.state.value;
  let shown = 0;
  for (const { row } of rows.values()) {
    row.hidden = !row.dataset.id.toLowerCase().includes(search) || (state !== "" && row.dataset.condition !== state);
    shown += row.hidden ? 0 : 1;
  }
  document.querySelector("#none").hidden = shown > 0;
}

function startFilter() {
  if (!filter) return;
  const whole = "whole" in table.dataset;
  if (whole) filter.querySelector("button").hidden = true;
  filter.addEventListener("submit", (event) => whole && event.preventDefault());
  filter.addEventListener("input", () => {
    if (!whole) return;
    narrow();
    const chosen = [...new FormData(filter)].filter(([, value]) => value !== "");
    const query = new URLSearchParams(chosen).toString();
    history.replaceState(null, "", query ? `?${query}` : location.pathname);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.matches("input, textarea")) return;
    event.preventDefault();
    filter.elements.search.focus();
  });
}

/* Times, as seen from now */

const UNITS = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "always" });

function inUnit(seconds) {
  const [unit, length] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? UNITS[3];
  return [Math.trunc(seconds / length), unit];
}

function fromNow(at, word) {
  const seconds = Math.round((at - Date.now()) / 1_000);
  const [count, unit] = inUnit(seconds);
  const length = `${Math.abs(count)} ${unit}${Math.abs(count) === 1 ? "" : "s"}`;
  if (word === "since") return `for ${length}`;
  if (word === "until") return seconds > 0 ? `for another ${length}` : "until now";
  return relative.format(count, unit);
}

function showTimes() {
  for (const time of document.querySelectorAll("time")) {
    const text = fromNow(Date.parse(time.dateTime), time.dataset.word);
    if (time.textContent === text) continue;
    if (!time.title) time.title = time.textContent;
    time.textContent = text;
  }
}

/* What operators ask for */

const say = (place, text) => {
  if (place.textContent !== text) place.textContent = text;
};

function showButtons() {
  for (const button of document.querySelectorAll("[data-post]")) button.hidden = false;
  for (const text of document.querySelectorAll(".without-script")) text.hidden = true;
}

// Asked for once: it is kept for this tab, where only this page's own script can read it.
const TOKEN = "campaign-sync-token";

function token() {
  const kept = sessionStorage.getItem(TOKEN);
  if (kept) return Promise.resolve(kept);
  const dialog = document.querySelector("#token");
  const input = dialog.querySelector("[name=token]");
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      const given = dialog.returnValue === "ok" ? input.value : null;
      input.value = "";
      if (given) sessionStorage.setItem(TOKEN, given);
      resolve(given);
    }, { once: true });
  });
}

async function post(button) {
  const given = await token();
  if (!given) return;
  button.disabled = true;
  try {
    const headers = { authorization: `Bearer ${given}` };
    if (button.dataset.body) headers["content-type"] = "application/json";
    const answer = await fetch(button.dataset.post, { method: "POST", headers, body: button.dataset.body });
    if (answer.ok) {
      say(outcome, `${button.ariaLabel ?? button.textContent}: done.`);
      await refreshDetails();
    } else {
      if (answer.status === 401) sessionStorage.removeItem(TOKEN);
      const problem = await answer.json().catch(() => null);
      say(outcome, `Not done: ${problem?.detail ?? answer.statusText}.`);
    }
  } catch {
    say(outcome, "Not done: the service does not answer.");
  } finally {
    button.disabled = false;
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-post]");
  if (button) post(button);
});

if (table) {
  for (const row of table.tBodies[0].rows) rows.set(row.dataset.id, { row, cells: cellsOf(row) });
  startFilter();
  narrow();
  listen();
}
else say(connection, "");
showButtons();
showTimes();
setInterval(showTimes, 1_000);
