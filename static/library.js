// The library's pages while they live: updates, announcements, the rename editor, the delete dialog.

import { ask } from "./ask.js";
import { clearSelection, keepSelection } from "./bulk.js";
import { refreshCopyForms } from "./copy.js";

const live = () => document.getElementById("live");

// --- live updates ---------------------------------------------------------------------

const isPoll = (ctx) => ctx.sourceElement.id === "live";

document.addEventListener("htmx:config:request", (event) => {
  // Nobody looks: the next answer after the tab is back says the same.
  if (isPoll(event.detail.ctx) && document.hidden) event.preventDefault();
});

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) live()?.dispatchEvent(new CustomEvent("refresh"));
});

let before = new Map();

document.addEventListener("htmx:before:swap", (event) => {
  const { ctx } = event.detail;
  // An answer to a question that is no longer asked: the filters or the editor changed meanwhile.
  if (isPoll(ctx) && ctx.request.action !== live()?.getAttribute("hx-get")) {
    event.preventDefault();
    return;
  }
  before = stages();
});

document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  announce(before, stages());
  focusEditor();
  rememberFilters(ctx);
  closeDialog(ctx);
  refreshDeleteForms();
  refreshCopyForms();
  keepSelection();
});

document.addEventListener("htmx:response:error", ({ detail: { ctx } }) => {
  const gone = live()?.dataset.gone;
  if (isPoll(ctx) && ctx.response.status === 404 && gone) location.assign(gone);
});

/** Reloading, and coming back from another page, shows the same list. */
function rememberFilters(ctx) {
  const address = live()?.dataset.address;
  if (ctx.sourceElement.id === "filters" && address) history.replaceState(history.state, "", address);
}

// --- what is announced: stages, never percents -------------------------------------------

function stages() {
  const found = new Map();
  for (const owner of document.querySelectorAll("[data-iso-id]")) {
    const name = owner.querySelector("[data-name]")?.textContent ?? "";
    for (const chip of owner.querySelectorAll("[data-zone][data-state]")) {
      found.set(`${owner.dataset.isoId} ${chip.dataset.zone}`, { name, state: chip.dataset.state, error: errorIn(owner, chip) });
    }
  }
  return found;
}

function errorIn(owner, chip) {
  return owner.querySelector(`[data-error-zone="${CSS.escape(chip.dataset.zone)}"]`)?.textContent ?? "";
}

const SENTENCES = {
  verifying: ({ name }) => `${name} has arrived and is being verified.`,
  ready: ({ name }) => `${name} is ready.`,
  failed: ({ name, error }) => `${name} failed. ${error}`,
};

function announce(old, now) {
  const news = [];
  for (const [key, stage] of now) {
    const was = old.get(key);
    if (was && was.state !== stage.state && SENTENCES[stage.state]) news.push(SENTENCES[stage.state](stage));
  }
  for (const [key, { name, state }] of old) {
    if (!now.has(key) && state === "deleting") news.push(`${name} was deleted.`);
  }
  const region = document.getElementById("announce");
  if (region && news.length) region.textContent = news.join(" ");
}

// --- rename ---------------------------------------------------------------------------------

const greeted = new WeakSet();
let pencilToFocus = "";

function focusEditor() {
  const input = document.querySelector("[data-rename-input]");
  if (input && !greeted.has(input)) {
    greeted.add(input);
    input.focus();
    if (!input.hasAttribute("aria-invalid")) input.select();
  }
  if (!input && pencilToFocus) {
    document.getElementById(pencilToFocus)?.focus();
    pencilToFocus = "";
  }
}

document.addEventListener("keydown", (event) => {
  const editor = event.target.closest?.(".rename");
  if (editor && event.key === "Escape") {
    event.preventDefault();
    editor.querySelector("[data-rename-cancel]").click();
  }
});

document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
  const editor = ctx.sourceElement.closest("form.rename");
  if (editor) pencilToFocus = editor.dataset.pencil;
  if (!isPoll(ctx)) document.getElementById("messages")?.replaceChildren(); // they spoke of what was before
});

// --- questions before what can't be undone ------------------------------------------------

document.addEventListener("htmx:confirm", (event) => {
  const { ctx, issueRequest, dropRequest } = event.detail;
  event.preventDefault();
  const { text, yes, no } = ctx.sourceElement.dataset;
  ask({ title: ctx.confirm, text, yes, no }).then((agreed) => (agreed ? issueRequest() : dropRequest()));
});

// --- delete -----------------------------------------------------------------------------------

function closeDialog(ctx) {
  const dialog = ctx.response?.status < 400 && ctx.sourceElement.closest("dialog");
  if (!dialog) return;
  dialog.close();
  clearSelection(); // what was asked for is done
}

function refreshDeleteForms() {
  for (const form of document.querySelectorAll("#delete-form")) refreshDelete(form);
}

/** Says what the ticked zones mean: how many, where, and whether the last copy goes. */
function refreshDelete(form) {
  const zones = [...form.querySelectorAll('[name="zones"]')];
  const ticked = zones.filter((zone) => zone.checked);
  const copies = zones.filter((zone) => "holdsCopy" in zone.dataset);
  const takesLast = copies.length > 0 && copies.every((zone) => zone.checked);
  const warning = form.querySelector("[data-last-copy]"); // of one ISO; for several it is said as a rule
  if (warning) warning.dataset.shown = takesLast ? "yes" : "no";
  const names = new Intl.ListFormat("en-GB").format(ticked.map((zone) => zone.dataset.zoneName));
  form.querySelector("[data-from-zones]").textContent = names ? ` from ${names}` : "";
  const all = form.querySelector("[data-select-all]");
  if (all) all.textContent = ticked.length === zones.length ? "Select none" : "Select all";
  const count = form.querySelector("[data-selected-count]");
  if (count) count.textContent = `${ticked.length} ${ticked.length === 1 ? "zone" : "zones"} selected`;
}

document.addEventListener("change", (event) => {
  const form = event.target.closest?.("#delete-form");
  if (form) refreshDelete(form);
});

document.addEventListener("click", (event) => {
  const all = event.target.closest?.("[data-select-all]");
  if (all) {
    const zones = [...all.form.querySelectorAll('[name="zones"]')];
    const tick = !zones.every((zone) => zone.checked);
    for (const zone of zones) zone.checked = tick;
    refreshDelete(all.form);
  }
});

refreshDeleteForms();
refreshCopyForms();

// --- copy to the clipboard --------------------------------------------------------------------

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (!button) return;
  const text = document.getElementById(button.dataset.copy).textContent.trim();
  const words = button.querySelector("span");
  try {
    await navigator.clipboard.writeText(text);
    words.textContent = "Copied";
  } catch {
    words.textContent = "Select it and copy by hand";
  }
  setTimeout(() => (words.textContent = "Copy"), 2000);
});
