// Speed over the last seconds and the time that is left at that speed.

import { bytes, timeLeft } from "./words.js";

const WINDOW = 8000; // ms over which the speed is averaged

export class Pace {
  #samples = [];

  /** Forgets what was: after a pause the speed before it says nothing. */
  reset() {
    this.#samples = [];
  }

  /** Takes note that `done` bytes are there now; `["12 MB/s", "about 40 s left"]`, or [] while nothing can be said. */
  words(done, total) {
    const now = performance.now();
    if (this.#samples.length && done < this.#samples.at(-1)[1]) this.reset();
    this.#samples.push([now, done]);
    while (this.#samples.length > 2 && now - this.#samples[0][0] > WINDOW) this.#samples.shift();
    const [then, had] = this.#samples[0];
    if (now - then < 1000 || done <= had) return [];
    const speed = ((done - had) / (now - then)) * 1000;
    const left = total ? timeLeft((total - done) / speed) : "";
    return [`${bytes(speed)}/s`, left].filter(Boolean);
  }
}
