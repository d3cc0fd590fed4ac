// What every page needs: the theme button, dialogs, focus on errors, and the manners of htmx.

const root = document.documentElement;

/** The value of a cookie, or "". */
export function cookie(name) {
  const pair = document.cookie.split("; ").find((part) => part.startsWith(`${name}=`));
  return pair ? decodeURIComponent(pair.slice(name.length + 1)) : "";
}

// --- theme --------------------------------------------------------------------------

function currentTheme() {
  return root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
}

function toggleTheme() {
  const theme = currentTheme() === "dark" ? "light" : "dark";
  root.dataset.theme = theme;
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // Storage is refused: the choice lasts as long as the page.
  }
}

// --- dialogs and focus --------------------------------------------------------------

/** Opens what arrived as `<dialog data-open>`; closing removes it and gives the focus back. */
function openDialogs(scope) {
  for (const dialog of scope.querySelectorAll("dialog[data-open]:not([open])")) {
    const opener = document.activeElement;
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (opener?.isConnected) opener.focus();
    });
    dialog.showModal();
  }
}

/** An error summary takes the focus, so that it is read and its links are next. */
function focusErrors(scope) {
  scope.querySelector("[data-focus]")?.focus();
}

function greet(scope) {
  openDialogs(scope);
  focusErrors(scope);
}

document.addEventListener("click", (event) => {
  const target = event.target instanceof Element ? event.target : null;
  if (target?.closest("[data-theme-toggle]")) toggleTheme();
  const closer = target?.closest("[data-close]");
  if (closer) {
    event.preventDefault();
    closer.closest("dialog")?.close();
  }
});

// --- htmx ---------------------------------------------------------------------------

// The token changes when somebody signs in, so it is read when it is sent.
document.addEventListener("htmx:config:request", ({ detail }) => {
  detail.ctx.request.headers["X-CSRFToken"] = cookie("csrftoken");
});

// The bell of a page that nobody looks at asks nothing; it catches up when the page is back.
document.addEventListener("htmx:config:request", (event) => {
  if (event.detail.ctx.sourceElement.id === "bell" && document.hidden) event.preventDefault();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) document.getElementById("bell")?.dispatchEvent(new CustomEvent("refresh"));
});

function say(message) {
  const note = document.getElementById("connection-note");
  if (!note) return;
  note.hidden = !message;
  const sentence = note.querySelector("[data-sentence]");
  if (sentence.textContent !== message) sentence.textContent = message;
}

/** The sentence of an error page that is not swapped in (see noSwap in document.html). */
function sentenceOf(html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  return page.querySelector("[data-error] p")?.textContent ?? "";
}

document.addEventListener("htmx:error", () => {
  say("The portal can’t be reached. Check your connection; this page goes on by itself when it is back.");
});
document.addEventListener("htmx:response:error", ({ detail }) => {
  const { status } = detail.ctx.response;
  if (status === 401 || status === 422) return; // the sign-in page follows; a form shows its own errors
  say(sentenceOf(detail.ctx.text ?? "") || "The portal could not do this. Try again in a moment.");
});
document.addEventListener("htmx:after:request", ({ detail }) => {
  if (detail.ctx.response.status < 400) say("");
});
document.addEventListener("htmx:after:swap", () => greet(document));

greet(document);
