// The transfer on the page: #transfer of isos/_transfer.html.

import { ask } from "../ask.js";
import { Pace } from "./pace.js";
import { bytes } from "./words.js";

// Without the percents that the page shows.
const SPOKEN = { verifying: (name) => `All of “${name}” has arrived and is being verified.` };

/** Shows `transfer` until it ends; `job` has `name`, `progress_url`, `cancel_url` and `list_url`. */
export class Panel {
  constructor(transfer, job) {
    this.transfer = transfer;
    this.job = job;
    this.root = document.getElementById("transfer");
    this.title = document.title;
    this.pace = new Pace();
    this.#find("[data-file-name]").textContent = transfer.file.name;
    this.#find("#transfer-title").textContent = `Uploading “${job.name}”`;
    this.#find("[data-numbers]").textContent = bytes(transfer.file.size);
    this.#find("[data-pause]").addEventListener("click", () => this.#togglePause());
    this.#find("[data-cancel]").addEventListener("click", () => this.#cancel());
    this.#find("[data-try-now]").addEventListener("click", () => transfer.tryNow());
    transfer.addEventListener("progress", ({ detail }) => this.#progress(detail));
    transfer.addEventListener("change", ({ detail }) => this.#change(detail));
    document.addEventListener("htmx:response:error", ({ detail: { ctx } }) => {
      if (ctx.sourceElement.id === "stages" && ctx.response.status === 404) this.#gone(ctx.sourceElement);
    });
    document.addEventListener("htmx:after:swap", () => this.#stage(this.#find("#stages")));
    addEventListener("beforeunload", (event) => {
      if (transfer.isTravelling) event.preventDefault();
    });
  }

  show() {
    this.root.hidden = false;
    this.root.scrollIntoView({ block: "nearest" });
    this.#find("#transfer-title").focus();
  }

  #find(selector) {
    return this.root.querySelector(selector);
  }

  #progress({ sent, total }) {
    const share = total ? sent / total : 0;
    // Rounded down, so that 100 is only shown for all of it.
    const percent = Math.floor(share * 100);
    this.#find("[data-bar]").value = Math.floor(share * 1000);
    this.#find("[data-bar]").textContent = `${percent}%`;
    this.#find("[data-percent]").textContent = `${percent}%`;
    this.#find("[data-numbers]").textContent = [`${bytes(sent)} of ${bytes(total)}`, ...this.pace.words(sent, total)].join(" · ");
    document.title = `${percent}% · ${this.title}`;
    this.#note("");
  }

  #change({ state, reason, seconds, message }) {
    if (state !== "sending") this.pace.reset();
    const paused = state === "paused";
    this.#find("[data-pause] [data-words]").textContent = paused ? "Resume" : "Pause";
    this.#find('[data-icon="pause"]').hidden = paused;
    this.#find('[data-icon="resume"]').hidden = !paused;
    this.#find("[data-pause]").disabled = !["sending", "paused"].includes(state);
    this.root.dataset.state = state;
    if (paused) this.#note("Paused. What was sent is kept; press Resume to go on.");
    else if (state === "waiting" && reason) this.#note(`${reason} Trying again in ${seconds} s.`, { tryNow: true });
    else if (state === "signed-out") {
      this.#note("Your session ended. Sign in again in a new tab; this upload continues by itself.", { signIn: true });
    } else if (state === "failed") this.#failed(message);
    else if (state === "sent") this.#follow();
    else if (state !== "waiting" && state !== "sending") this.#note("");
  }

  #note(text, { kind = "", signIn = false, tryNow = false } = {}) {
    const note = this.#find("[data-transfer-note]");
    note.className = `note ${kind || (signIn || tryNow ? "warn" : "")}`;
    note.hidden = !text;
    const words = note.querySelector("[data-note-text]");
    if (words.textContent !== text) words.textContent = text;
    note.querySelector("[data-sign-in]").hidden = !signIn;
    note.querySelector("[data-try-now]").hidden = !tryNow;
  }

  #failed(message) {
    document.title = this.title;
    this.#note(message, { kind: "bad" });
    this.#hideSending();
    this.#follow({ quietly: true });
  }

  #hideSending() {
    for (const part of this.root.querySelectorAll("[data-sending], [data-keep-open]")) part.hidden = true;
  }

  /** All bytes are there, or no more come: from here the server's own stages are shown. */
  #follow({ quietly = false } = {}) {
    document.title = this.title;
    if (!quietly) {
      this.#note("");
      this.#hideSending();
    }
    window.htmx.ajax("GET", this.job.progress_url, { target: "#stages", swap: "outerMorph" });
  }

  /** What the server says: the title follows its stage, which is announced once. */
  #stage(stages) {
    const { state } = stages.dataset;
    if (!state || state === this.stage) return;
    this.stage = state;
    const { name } = this.job;
    const titles = { queued: `Verifying “${name}”`, verifying: `Verifying “${name}”`, copying: `Copying “${name}”`, failed: `“${name}” failed` };
    this.#find("#transfer-title").textContent = titles[state] ?? `“${name}”`;
    this.#find("[data-announce]").textContent = SPOKEN[state]?.(name) ?? stages.querySelector("[data-stage]").textContent;
  }

  /** The ISO is not there any more: nothing is left to ask for. */
  #gone(stages) {
    const still = document.createElement("div");
    still.id = "stages";
    const words = document.createElement("p");
    words.textContent = `“${this.job.name}” was deleted.`;
    still.append(words);
    stages.replaceWith(still);
  }

  #togglePause() {
    if (this.transfer.state === "paused") this.transfer.resume();
    else this.transfer.pause();
  }

  async #cancel() {
    const agreed = await ask({
      title: `Cancel the upload of “${this.job.name}”?`,
      text: "What was sent is removed.",
      yes: "Cancel upload",
      no: "Keep uploading",
    });
    if (!agreed || !["sending", "paused", "waiting", "signed-out"].includes(this.transfer.state)) return;
    this.transfer.pause();
    // The page's own form, so that the list says what happened.
    const form = document.getElementById("cancel-form");
    form.action = this.job.cancel_url;
    form.requestSubmit();
  }
}
