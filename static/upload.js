// The upload page and the page that resumes an upload: file, form, then the transfer.

import { cookie } from "./app.js";
import { watchAddress } from "./upload/address.js";
import { difference, fingerprint, looksLikeIso, refusal } from "./upload/files.js";
import { clearError, showErrors, showFieldError } from "./upload/errors.js";
import { Panel } from "./upload/panel.js";
import { Transfer } from "./upload/transfer.js";
import { bytes, monthly } from "./upload/words.js";

const uploadForm = document.getElementById("upload-form");
const resumeForm = document.getElementById("resume-form");
const form = uploadForm ?? resumeForm;
const input = document.getElementById("file");
const drop = document.getElementById("drop");

// --- choosing the file ----------------------------------------------------------------

let chosen = null; // a file that may be sent

async function choose(file) {
  chosen = null;
  if (!file) return;
  document.querySelector("[data-drop-title]").textContent = `${file.name}, ${bytes(file.size)}`;
  document.querySelector("[data-choose-words]").textContent = "choose another file";
  const error = await objection(file);
  drop.classList.toggle("wrong", Boolean(error));
  drop.classList.toggle("chosen", !error);
  if (error) showFieldError(form, "file", error);
  else {
    clearError(form, "file");
    chosen = file;
  }
  if (uploadForm) suggest(file, Boolean(error));
  document.getElementById("file-doubt").hidden = Boolean(error) || (await looksLikeIso(file).catch(() => true));
}

/** Where another file than the declared one may be sent, because nothing of that has come yet. */
const otherFileUrl = resumeForm?.dataset.fileUrl;

function objection(file) {
  if (resumeForm && !otherFileUrl) {
    const { fileName: name, fileSize: size, fingerprint: print } = resumeForm.dataset;
    return difference(file, { name, size: Number(size), fingerprint: print });
  }
  const { largest, free, total } = form.dataset;
  return refusal(file, { largest: Number(largest), free: Number(free), total: Number(total) });
}

input?.addEventListener("change", () => choose(input.files[0]));
drop?.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
drop?.addEventListener("dragleave", () => drop.classList.remove("over"));
drop?.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  if (!event.dataTransfer.files.length) return;
  input.files = event.dataTransfer.files;
  choose(input.files[0]);
});

// --- what follows from the file -----------------------------------------------------------

let suggested = "";

/** The name that the file suggests, as long as nobody typed another; and what the quota is left with. */
function suggest(file, refused) {
  if (!refused) suggestName(file.name.replace(/\.iso$/i, ""));
  showAfter(refused ? 0 : file.size);
}

function suggestName(text) {
  const name = uploadForm.elements.name;
  if (!text || (name.value.trim() && name.value !== suggested)) return;
  suggested = text.slice(0, name.maxLength);
  name.value = suggested;
  clearError(uploadForm, "name");
  name.dispatchEvent(new CustomEvent("check"));
}

const zones = () => [...uploadForm.querySelectorAll('[name="zones"]:checked:not(:disabled)')];

/** What the storage is left with once `size` bytes are in each zone; nothing for 0. */
function showAfter(size) {
  showCost(size);
  const after = document.querySelector("[data-after]");
  const count = Math.max(1, zones().length);
  const left = Number(uploadForm.dataset.free) - size * count;
  after.hidden = !size || left < 0;
  const where = count > 1 ? ` to ${count} zones` : "";
  after.textContent = after.hidden ? "" : `${bytes(Number(uploadForm.dataset.total) - left)} used after this upload${where}, ${bytes(left)} free.`;
}

/** What storing `size` bytes in the chosen zones costs; how to learn it for 0. */
function showCost(size) {
  const chosenZones = zones();
  const count = chosenZones.length;
  const known = size > 0 && count > 0;
  document.querySelector("[data-cost]").hidden = !known;
  document.querySelector("[data-cost-hint]").hidden = known;
  if (!known) return;
  document.querySelector("[data-cost-of]").textContent = `${count} ${count === 1 ? "zone" : "zones"} × ${bytes(size)}`;
  document.querySelector("[data-cost-sum]").textContent = monthly(chosenZones, () => size);
}

function followZones() {
  clearError(uploadForm, "zones");
  for (const zone of uploadForm.querySelectorAll('[name="zones"]')) clearError(uploadForm, `zone-${zone.value}`);
  followSource();
}

/** Another source: what is said beside the form belongs to that one. */
function followSource() {
  showAfter(isUrl() ? Number(document.querySelector("[data-verdict]")?.dataset.size) : (chosen?.size ?? 0));
}

const isUrl = () => uploadForm?.elements.source.value === "url";

// --- versions follow the OS type ----------------------------------------------------------

function followOsType() {
  const type = uploadForm.elements.os_type;
  const version = uploadForm.elements.os_version;
  const groups = [...version.querySelectorAll("optgroup")].map((group) => group.cloneNode(true));
  const refill = () => {
    const label = type.selectedOptions[0].textContent;
    const kept = version.value;
    for (const old of version.querySelectorAll("optgroup, optgroup > option, option:not([value=''])")) old.remove();
    const fitting = groups.find((group) => group.label === label);
    if (fitting) version.append(...[...fitting.children].map((option) => option.cloneNode(true)));
    version.value = kept;
    if (version.selectedIndex < 0) version.selectedIndex = 0;
    version.disabled = !fitting;
  };
  type.addEventListener("change", refill);
  refill();
}

// --- the name is checked while it is typed --------------------------------------------------

document.addEventListener("htmx:before:response", (event) => {
  const { ctx } = event.detail;
  // A session that ended must not reload a page on which somebody has typed.
  if (ctx.sourceElement.id === "id_name" && ctx.response.status >= 400) event.preventDefault();
});
document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  if (ctx.sourceElement.id !== "id_name") return;
  const wrong = document.getElementById("name-error").childElementCount > 0;
  if (wrong) ctx.sourceElement.setAttribute("aria-invalid", "true");
  else ctx.sourceElement.removeAttribute("aria-invalid");
});

// --- sending -------------------------------------------------------------------------------

let busy = false;

async function submit(event) {
  event.preventDefault();
  if (busy) return;
  busy = true;
  const button = form.querySelector('[type="submit"]');
  button.setAttribute("aria-busy", "true");
  try {
    await (isUrl() ? beginImport() : uploadForm ? begin() : resume());
  } finally {
    busy = false;
    button.removeAttribute("aria-busy");
  }
}

const UNREACHABLE = "The portal can’t be reached. Check your connection, then press Upload again.";
const SIGNED_OUT = "Your session ended. Sign in again in a new tab, then press Upload again.";

async function begin() {
  const file = chosen;
  if (!file) {
    const refused = input.files[0] ? await objection(input.files[0]) : "";
    return showErrors(uploadForm, [{ field: "file", message: refused || "Choose an ISO file." }]);
  }
  const job = await create(await described(file, new FormData(uploadForm)));
  if (job) send(file, job);
}

/** The portal checks the address and fetches it; its own page shows how. */
async function beginImport() {
  status("Checking the address…");
  const job = await create(new FormData(uploadForm));
  status("");
  if (job) location.assign(job.progress_url);
}

function status(words) {
  document.querySelector("[data-form-status]").textContent = words;
}

/** Sends the form; where to go on, or null once its errors are shown. */
async function create(data) {
  data.delete("csrfmiddlewaretoken"); // perhaps an old one; the cookie's is sent below
  const answer = await post(uploadForm.action, new URLSearchParams(data));
  if (answer.status === 201) return answer.json;
  showErrors(uploadForm, answer.json.errors ?? [{ field: "", message: answer.json.message ?? UNREACHABLE }]);
  return null;
}

/** What the portal wants to know of a file before its bytes. */
async function described(file, data) {
  data.set("filename", file.name);
  data.set("size", file.size);
  data.set("fingerprint", await fingerprint(file).catch(() => ""));
  return data;
}

/** POST that always answers: `status` and `json`, whatever happens to the line or the session. */
async function post(url, body) {
  try {
    const headers = { Accept: "application/json", "X-CSRFToken": cookie("csrftoken") };
    const response = await fetch(url, { method: "POST", body, headers });
    if (response.status === 401) return { status: 401, json: { message: SIGNED_OUT } };
    const json = await response.json().catch(() => ({
      message: response.status === 403
        ? "The portal refused this form. Open the page in a new tab and try there."
        : "The portal could not answer. Wait a moment, then press Upload again.",
    }));
    return { status: response.status, json };
  } catch {
    return { status: 0, json: { message: UNREACHABLE } };
  }
}

async function resume() {
  if (!chosen) {
    const refused = input.files[0] ? await objection(input.files[0]) : "";
    showFieldError(resumeForm, "file", refused || "Choose the file first.");
    return input.focus();
  }
  if (otherFileUrl) {
    const answer = await post(otherFileUrl, await described(chosen, new URLSearchParams()));
    if (answer.status !== 200) return showFieldError(resumeForm, "file", answer.json.errors?.[0].message ?? answer.json.message);
  }
  const { name, uploadUrl, progressUrl, cancelUrl } = resumeForm.dataset;
  send(chosen, { name, upload_url: uploadUrl, progress_url: progressUrl, cancel_url: cancelUrl });
}

function send(file, job) {
  const transfer = new Transfer(file, job.upload_url);
  const panel = new Panel(transfer, job);
  // After a reload this address asks for the file again and goes on from there.
  if (job.resume_url) history.replaceState(history.state, "", job.resume_url);
  form.hidden = true;
  if (uploadForm) document.querySelector("[data-copying]").hidden = zones().length < 2;
  panel.show();
  transfer.start();
}

form?.addEventListener("submit", submit);
if (uploadForm) {
  followOsType();
  watchAddress(uploadForm, (found) => {
    if (found) suggestName(found.name);
    followSource();
  });
  for (const choice of uploadForm.elements.source) choice.addEventListener("change", followSource);
  document.getElementById("id_zones").addEventListener("change", followZones);
}
// A reloaded page may have the file still in its input.
if (input?.files.length) choose(input.files[0]);
