// Sending one file by tus, through whatever happens to the line, the server and the session.
//
// tus-js-client moves the bytes; when to try again is decided here, because a page must say what
// it waits for and because nothing that heals by itself may end the upload: a restart of the
// server, a lost network and an expired session only pause it. The server keeps what it has.

import { cookie } from "../app.js";
import { isReadable } from "./files.js";

const CHUNK = 64 * 1024 * 1024;
const DELAYS = [1, 2, 5, 10, 20, 30]; // seconds; the last one again and again
const SILENCE = 60; // seconds without progress after which a connection is given up
const OFFLINE_SILENCE = 3; // the same where the browser says that it has no network
const SIGNED_OUT_POLL = 3;
const NOISE = 1024 * 1024; // bytes that a browser may count as sent before an attempt is refused
const ENDS = new Set([403, 404, 410, 413, 415, 422, 460, 507]);
const SENTENCES = {
  403: "The portal refused to go on with this upload. Reload the page, then choose the same file again.",
  404: "This upload is gone, or you are signed in as somebody else. Go to the list to see its state.",
  410: "This upload was ended and what was received is gone. Start it again.",
};
const UNREADABLE = "The file can’t be read any more: it was changed, moved or deleted. Choose it again to go on.";

/**
 * Fires `change` with `state` in detail:
 * `sending`, `paused`, `waiting` (`reason`, `seconds`), `signed-out`, `sent`, `failed` (`message`);
 * and `progress` with `sent` and `total` bytes.
 */
export class Transfer extends EventTarget {
  constructor(file, uploadUrl) {
    super();
    this.file = file;
    this.state = "new";
    this.failures = 0; // in a row, without anything kept by the server in between
    this.kept = 0; // bytes, roughly, from which the last attempt went on
    this.upload = new window.tus.Upload(file, {
      uploadUrl: new URL(uploadUrl, location.href).href,
      chunkSize: CHUNK,
      parallelUploads: 1,
      retryDelays: null,
      storeFingerprintForResuming: false,
      removeFingerprintOnSuccess: true,
      fingerprint: () => Promise.resolve(null),
      // Read when it is sent: the token changes when somebody signs in.
      onBeforeRequest: (request) => request.setHeader("X-CSRFToken", cookie("csrftoken")),
      onProgress: (sent, total) => this.#progress(sent, total),
      onChunkComplete: () => (this.failures = 0),
      onSuccess: () => this.#become("sent"),
      onError: (error) => this.#stumble(error),
    });
    addEventListener("online", () => this.tryNow());
    addEventListener("offline", () => this.state === "sending" && this.#watch());
  }

  /** Whether leaving the page now would interrupt something. */
  get isTravelling() {
    return ["sending", "waiting", "signed-out"].includes(this.state);
  }

  start() {
    this.isFresh = true;
    this.#become("sending");
    this.#watch();
    this.upload.start();
  }

  pause() {
    this.#stop();
    this.#become("paused");
  }

  resume() {
    if (this.state === "paused") this.start();
  }

  /** Ends a wait early. */
  tryNow() {
    if (this.state === "waiting") {
      this.#stop();
      this.start();
    }
  }

  #become(state, detail = {}) {
    this.state = state;
    if (!this.isTravelling) clearTimeout(this.watchdog);
    this.dispatchEvent(new CustomEvent("change", { detail: { state, ...detail } }));
  }

  #stop() {
    clearTimeout(this.timer);
    clearTimeout(this.watchdog);
    this.upload.abort();
  }

  #progress(sent, total) {
    if (this.state !== "sending") return;
    if (this.isFresh && sent > this.kept + NOISE) this.failures = 0;
    if (this.isFresh) this.kept = sent;
    this.isFresh = false;
    this.#watch();
    this.dispatchEvent(new CustomEvent("progress", { detail: { sent, total } }));
  }

  /** A connection that neither moves nor breaks is broken here. */
  #watch() {
    clearTimeout(this.watchdog);
    const seconds = navigator.onLine ? SILENCE : OFFLINE_SILENCE;
    this.watchdog = setTimeout(() => {
      this.upload.abort();
      this.#wait("Connection lost.");
    }, seconds * 1000);
  }

  async #stumble(error) {
    if (this.state !== "sending") return;
    clearTimeout(this.watchdog);
    const response = error.originalResponse;
    const status = response ? response.getStatus() : 0;
    if (status === 401) return this.#awaitSignIn();
    if (ENDS.has(status)) return this.#become("failed", { message: sentence(response) || SENTENCES[status] });
    if (!(await isReadable(this.file))) return this.#become("failed", { message: UNREADABLE, chooseAgain: true });
    this.#wait(reason(status, this.failures));
  }

  #wait(why) {
    const seconds = DELAYS[Math.min(this.failures, DELAYS.length - 1)];
    this.failures += 1;
    this.#countDown(why, seconds);
  }

  #countDown(why, seconds) {
    this.#become("waiting", { reason: why, seconds });
    this.timer = setTimeout(() => {
      if (seconds > 1) this.#countDown(why, seconds - 1);
      else this.start();
    }, 1000);
  }

  /** Asks until the session is back, then goes on. */
  #awaitSignIn() {
    if (this.state !== "signed-out") this.#become("signed-out");
    this.timer = setTimeout(async () => {
      if (await this.#isSignedIn()) this.start();
      else if (this.state === "signed-out") this.#awaitSignIn();
    }, SIGNED_OUT_POLL * 1000);
  }

  async #isSignedIn() {
    try {
      const response = await fetch(this.upload.url, { method: "HEAD", headers: { "Tus-Resumable": "1.0.0" } });
      // 404: signed in as somebody else, so the right person may still come.
      return this.state === "signed-out" && ![401, 404].includes(response.status);
    } catch {
      return false;
    }
  }
}

/** The server's own words for an error. */
function sentence(response) {
  try {
    return JSON.parse(response.getBody()).message ?? "";
  } catch {
    return "";
  }
}

/** What is waited for; "" for what passes by itself within moments and is not worth a word. */
function reason(status, failures) {
  if (status === 409 || status === 423) {
    return failures < 2 ? "" : "Another tab or connection is sending this file.";
  }
  if (status === 429) return "The portal is busy.";
  return status ? "The portal could not answer." : "Connection lost.";
}
