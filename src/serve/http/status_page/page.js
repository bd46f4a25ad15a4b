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

// In the server's order, which is that of the ids: they are ASCII. All at once, because there may be a thousand.
function insert(added) {
  let next = table.tBodies[0].firstElementChild;
  for (const [id, row] of added) {
    while (next && next.dataset.id < id) next = next.nextElementSibling;
    table.tBodies[0].insertBefore(row, next);
    rows.set(id, { row, cells: cellsOf(row) });
  }
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

const only = table?.dataset.only;
// Of more accounts than fit on a page, those that are on it stay current.
const whole = table !== null && "whole" in table.dataset;

function take({ all, rows: changed, removed, counts }) {
  const added = [];
  for (const [id, html] of changed) {
    const [shown, next] = [rows.get(id), parsed(html)];
    const version = shown?.row.dataset.version;
    if (shown) update(shown, next);
    else if (whole || only !== undefined) added.push([id, next]);
    if (only !== undefined && version !== next.dataset.version) refreshDetails();
  }
  insert(added);
  const sent = new Set(changed.map(([id]) => id));
  for (const id of all ? [...rows.keys()].filter((id) => !sent.has(id)) : removed) {
    rows.get(id)?.row.remove();
    rows.delete(id);
  }
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  for (const choice of document.querySelectorAll("[data-state]")) {
    choice.querySelector(".total").textContent = choice.dataset.state ? counts[choice.dataset.state] : total;
  }
  narrow();
  showTimes();
  if (only !== undefined && !rows.has(only)) say(connection, "This account is not in the configuration any more");
  else say(connection, whole || only !== undefined ? "Live" : "Live; reload to see which accounts are like this now");
}

// A browser has six connections to a host, and a page that nobody sees needs none. One that was lost may say nothing for ever:
// the server does at least every 15 seconds.
const SILENCE = 40_000;
const PAUSE = 10_000;
let source = null;
let heard = 0;

function listen() {
  source?.close();
  heard = Date.now();
  source = new EventSource(table.dataset.events);
  source.addEventListener("rows", (event) => {
    heard = Date.now();
    take(JSON.parse(event.data));
  });
  source.addEventListener("beat", () => { heard = Date.now(); });
  source.addEventListener("error", lose);
}

function lose() {
  source?.close();
  source = null;
  heard = Date.now();
  say(connection, "Not connected: what is shown may be old");
}

function keepListening() {
  if (document.hidden) return;
  const silent = Date.now() - heard;
  if (source && silent > SILENCE) lose();
  else if (!source && silent > PAUSE) listen();
}

function startListening() {
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) lose();
    else listen();
  });
  if (!document.hidden) listen();
}

// No answer is waited for longer than the server takes for one at the most, and a little.
const ask = (target, options) => fetch(target, { signal: AbortSignal.timeout(15_000), ...options });

/* What has changed below the row: letters, runs and buttons, from the page as it is now */

let newest = 0;

async function refreshDetails() {
  const mine = ++newest;
  const page = await ask(location.href).then((answer) => answer.text(), () => null);
  if (mine !== newest) return;
  if (page === null) {
    setTimeout(() => mine === newest && refreshDetails(), PAUSE);
    return;
  }
  const next = new DOMParser().parseFromString(page, "text/html").querySelector("#details");
  // An account that is gone has none.
  if (!next) return;
  const details = document.querySelector("#details");
  const focused = details.contains(document.activeElement) ? document.activeElement : null;
  details.replaceWith(document.importNode(next, true));
  showButtons();
  showTimes();
  if (!focused) return;
  const { post, body } = focused.dataset;
  const buttons = [...document.querySelectorAll("#details [data-post]")];
  const same = buttons.find((button) => button.dataset.post === post && button.dataset.body === body);
  (same ?? document.querySelector("#details")).focus();
}

/* Search and state */

function narrow() {
  if (!filter || !whole) return;
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
  if (button.ariaDisabled) return;
  const given = await token();
  if (!given) return;
  button.ariaDisabled = "true";
  try {
    const headers = { authorization: `Bearer ${given}` };
    if (button.dataset.body) headers["content-type"] = "application/json";
    const answer = await ask(button.dataset.post, { method: "POST", headers, body: button.dataset.body });
    if (answer.ok) {
      say(outcome, `${button.ariaLabel ?? button.textContent}: done.`);
      await refreshDetails();
    } else {
      if (answer.status === 401) sessionStorage.removeItem(TOKEN);
      const problem = await answer.json().catch(() => null);
      say(outcome, `Not done: ${problem?.detail ?? answer.statusText}.`);
    }
  } catch {
    say(outcome, "Not known whether it was done: the service does not answer.");
  } finally {
    button.ariaDisabled = null;
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
  startListening();
  setInterval(keepListening, 1_000);
} else say(connection, "");
showButtons();
showTimes();
setInterval(showTimes, 1_000);
