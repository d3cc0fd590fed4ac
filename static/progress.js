// The progress of one import: speed and time left, stages announced once, a question before Cancel.

import { ask } from "./ask.js";
import { Pace } from "./upload/pace.js";

const pace = new Pace();
const title = document.title;
let stage = document.getElementById("stages").dataset.state;

function show() {
  const { state } = document.getElementById("stages").dataset;
  const place = document.querySelector("[data-pace]");
  const [done, total] = place ? [Number(place.dataset.done), Number(place.dataset.total)] : [0, 0];
  if (place) place.textContent = pace.words(done, total).map((words) => ` · ${words}`).join("");
  document.title = total ? `${Math.floor((done / total) * 100)}% · ${title}` : title;
  if (state !== stage) announce();
  stage = state;
}

function announce() {
  const sentence = document.querySelector("[data-stage]").textContent;
  // Without the percents that the page shows.
  const words = { receiving: "The download has begun.", verifying: "All of the file has arrived and is being verified." };
  document.querySelector("[data-announce]").textContent =
    words[document.getElementById("stages").dataset.state] ?? sentence;
}

document.addEventListener("htmx:after:swap", show);
document.addEventListener("htmx:config:request", (event) => {
  if (document.hidden) event.preventDefault(); // nobody looks; the next answer says the same
});
document.addEventListener("htmx:response:error", ({ detail: { ctx } }) => {
  if (ctx.response.status === 404) location.assign(document.querySelector(".crumbs a").href); // it was deleted
});

document.addEventListener("submit", async (event) => {
  const { ask: question, text, yes, no } = event.target.dataset;
  if (!question) return;
  event.preventDefault();
  const agreed = await ask({ title: question, text, yes, no });
  // The form as it is now: the page went on meanwhile.
  if (agreed) document.querySelector("form[data-ask]")?.submit();
});

show();
