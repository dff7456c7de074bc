// @ts-check
// The most probable classes, as bars that change in place.

/** @typedef {import("@anywidget/types").AnyModel} Model */
/** @typedef {{label: string, probability: number}} Item */

/** @param {HTMLElement} list @param {Item[]} items */
const show = (list, items) => {
  while (list.children.length < items.length) list.append(Object.assign(document.createElement("li"), { innerHTML: "<span></span><b></b>" }));
  while (list.children.length > items.length) list.lastChild?.remove();
  items.forEach(({ label, probability }, i) => {
    const row = /** @type {HTMLElement} */ (list.children[i]);
    const [name, value] = /** @type {HTMLCollectionOf<HTMLElement>} */ (row.children);
    name.textContent = name.title = label;
    value.textContent = probability.toFixed(2);
    row.style.setProperty("--dv-share", `${100 * probability}%`);
  });
};

export default () => {
  /** @type {Item[]} */ let items = [];
  /** @type {Set<HTMLElement>} */ const lists = new Set();
  const update = (/** @type {Item[]} */ next) => {
    items = next;
    for (const list of lists) show(list, items);
  };
  return {
    /** @param {{model: Model}} context */
    initialize({ model }) {
      model.on("change:items", () => update(model.get("items")));
      model.on("msg:custom", (/** @type {any} */ message) => message.kind === "predictions" && update(message.items));
      update(model.get("items"));
    },
    /** @param {{model: Model, el: HTMLElement}} context */
    render({ el }) {
      const list = document.createElement("ol");
      list.className = "dv-predictions";
      list.ariaLabel = "Most probable classes";
      el.append(list);
      lists.add(list);
      show(list, items);
      return () => lists.delete(list);
    },
  };
};
