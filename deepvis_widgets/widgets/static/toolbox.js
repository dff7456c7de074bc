// @ts-check
// The layers of a network as a row of buttons, in forward order; what is inside the chosen one as a second row.

/** @typedef {import("@anywidget/types").AnyModel} Model */
/** @typedef {{name: string, text: string, title: string}} Entry */

/** @param {string} tag @param {Record<string, any>} properties @param {(Node | string)[]} children */
const element = (tag, properties = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
};

/** @param {{model: Model, el: HTMLElement}} context */
const render = ({ model, el }) => {
  const title = element("span", { className: "dv-title" });
  const main = element("div", { className: "dv-layers" });
  const inside = element("div", { className: "dv-layers dv-inside" });
  el.classList.add("dv-toolbar");
  const large = element("button", { className: "dv-large", textContent: "Aa", title: "Large type, for a projector", ariaPressed: "false" });
  large.onclick = () => (large.ariaPressed = String(el.closest(".dv-toolbox")?.classList.toggle("dv-projected")));
  el.append(title, main, large, inside);
  for (const row of [main, inside]) row.setAttribute("role", "radiogroup");
  main.ariaLabel = "Layer";
  inside.ariaLabel = "Inside this layer";

  const choose = (/** @type {string} */ name) => {
    model.set("layer", name);
    model.save_changes();
  };
  /** @param {Entry} entry @param {boolean} chosen */
  const chip = (entry, chosen) => {
    const button = element("button", { textContent: entry.text, title: entry.title, tabIndex: chosen ? 0 : -1, onclick: () => choose(entry.name) });
    button.setAttribute("role", "radio");
    button.ariaChecked = String(chosen);
    button.dataset.layer = entry.name;
    return button;
  };
  const update = () => {
    const [groups, layer] = [/** @type {Entry[][]} */ (model.get("groups")), model.get("layer")];
    const hadFocus = el.contains(document.activeElement);
    const group = groups.find((entries) => entries.some(({ name }) => name === layer)) ?? [];
    title.textContent = model.get("name");
    main.replaceChildren(...groups.map((entries) => chip(entries[0], entries === group)));
    inside.replaceChildren(...(group.length > 1 ? group : []).map((entry) => chip(entry, entry.name === layer)));
    if (hadFocus) /** @type {HTMLElement | null} */ (main.querySelector("[aria-checked=true]"))?.focus();
  };
  main.onkeydown = (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    const chips = /** @type {HTMLElement[]} */ ([...main.children]);
    const at = chips.findIndex((each) => each.ariaChecked === "true");
    chips[Math.max(0, Math.min(chips.length - 1, at + step))].click();
    event.preventDefault();
    event.stopPropagation();
  };
  model.on("change:groups change:layer change:name", update);
  update();
  return () => model.off("change:groups change:layer change:name", update);
};

export default { render };
