// @ts-check
// Files from the kernel are saved by the browser, texts put on its clipboard; where that is refused, the text is shown.

/** @typedef {import("@anywidget/types").AnyModel} Model */

const TOLD_MS = 3000; // how long a word of success stays

/** @param {string} name @param {string} mime @param {DataView} data */
const save = (name, mime, data) => {
  const url = URL.createObjectURL(new Blob([/** @type {any} */ (data)], { type: mime }));
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // the browser may still be reading
};

export default () => {
  /** @type {Set<HTMLElement>} */ const views = new Set();
  let word = "";
  let text = "";
  let timer = 0;

  /** @param {HTMLElement} el */
  const show = (el) => {
    const [status, box] = [el.children[0], /** @type {HTMLTextAreaElement} */ (el.children[1])];
    status.textContent = word;
    box.hidden = !text;
    box.value = text;
    if (text) box.select();
  };
  /** @param {string} said @param {string} refused */
  const tell = (said, refused = "") => {
    [word, text] = [said, refused];
    for (const view of views) show(view);
    clearTimeout(timer);
    if (!refused) timer = window.setTimeout(() => ((word = ""), views.forEach(show)), TOLD_MS);
  };
  return {
    /** @param {{model: Model}} context */
    initialize({ model }) {
      model.on("msg:custom", (/** @type {any} */ message, /** @type {DataView[]} */ buffers) => {
        if (message.kind === "download") {
          save(message.name, message.mime, buffers[0]);
          tell(`${message.name} saved`);
        } else if (message.kind === "copy") {
          const asked = navigator.clipboard?.writeText(message.text) ?? Promise.reject(new Error("no clipboard here"));
          asked.then(() => tell("copied"), () => tell("The browser does not let this page use the clipboard; copy it from here:", message.text));
        }
      });
    },
    /** @param {{model: Model, el: HTMLElement}} context */
    render({ el }) {
      const status = document.createElement("span");
      const box = Object.assign(document.createElement("textarea"), { readOnly: true, rows: 4, hidden: true, ariaLabel: "Text to copy" });
      status.setAttribute("role", "status");
      box.onkeydown = (event) => event.stopPropagation();
      el.classList.add("dv-exports");
      el.append(status, box);
      views.add(el);
      show(el);
      return () => views.delete(el);
    },
  };
};
