// A question in the portal's own dialog.

/** Asks and resolves to true or false. `yes` names what happens; Escape and `no` change nothing. */
export function ask({ title, text, yes, no = "Cancel" }) {
  return new Promise((resolve) => {
    const opener = document.activeElement;
    const dialog = build(title, text, yes, no);
    document.body.append(dialog);
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (opener?.isConnected) opener.focus();
      resolve(dialog.returnValue === "yes");
    });
    dialog.showModal();
    dialog.querySelector('[value="no"]').focus();
  });
}

function build(title, text, yes, no) {
  const dialog = element("dialog", "");
  dialog.setAttribute("aria-labelledby", "ask-title");
  dialog.setAttribute("aria-describedby", "ask-text");
  const head = element("div", "dialog-head");
  const words = element("div", "");
  words.append(element("h2", "", title, "ask-title"));
  head.append(words);
  const body = element("div", "dialog-body");
  body.append(element("p", "", text, "ask-text"));
  const foot = element("form", "dialog-foot");
  foot.method = "dialog";
  foot.append(button("btn", no, "no"), button("btn danger", yes, "yes"));
  dialog.append(head, body, foot);
  return dialog;
}

function element(tag, css, text = "", id = "") {
  const node = document.createElement(tag);
  if (css) node.className = css;
  if (id) node.id = id;
  node.textContent = text;
  return node;
}

function button(css, text, value) {
  const node = element("button", css, text);
  node.value = value;
  return node;
}
