// @ts-check
// One row for each declared parameter: a slider that is off at its left end and follows the parameter's own scale, and a field.

/** @typedef {import("@anywidget/types").AnyModel} Model */
/** @typedef {{name: string, low: number, high: number, unit: string, about: string, scale: "linear" | "log", integer: boolean}} Parameter */

const LINEAR = 100; // positions of a slider besides off; of 1..100 % one each
const LOG = 200;

/** @param {string} tag @param {Record<string, any>} properties @param {(Node | string)[]} children */
const element = (tag, properties = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
};

/** @param {Parameter} p */
const positions = (p) => (p.integer ? Math.round(p.high - p.low) + 1 : p.scale === "log" ? LOG : LINEAR);

/** The value at a position of the slider; 0 is off. @param {Parameter} p @param {number} position */
const valueAt = (p, position) => {
  if (position <= 0) return 0;
  const share = (position - 1) / Math.max(1, positions(p) - 1);
  const value = p.scale === "log" ? p.low * (p.high / p.low) ** share : p.low + (p.high - p.low) * share;
  return Math.min(p.high, Math.max(p.low, p.integer ? Math.round(value) : Number(value.toPrecision(3))));
};

/** @param {Parameter} p @param {number} value */
const positionOf = (p, value) => {
  if (value <= 0) return 0;
  const share = p.scale === "log" ? Math.log(value / p.low) / Math.log(p.high / p.low) : (value - p.low) / (p.high - p.low);
  return Math.round(1 + Math.min(1, Math.max(0, share)) * (positions(p) - 1));
};

/** @param {number} value */
const written = (value) => (!value ? "off" : value < 0.001 ? Number(value.toPrecision(3)).toExponential() : String(Number(value.toPrecision(4))));

/** What was typed as a number, or null. @param {Parameter} p @param {string} text */
const read = (p, text) => {
  const word = text.trim().toLowerCase().replace(",", ".");
  const value = word === "off" || word === "" ? 0 : Number(word);
  return value >= 0 && value <= p.high && (!p.integer || Number.isInteger(value)) ? value : null;
};

/** One parameter's row. */
class Row {
  /** @param {Parameter} p @param {(value: number, now: boolean) => void} changed @param {(sentence: string) => void} refused @param {() => number} initial */
  constructor(p, changed, refused, initial) {
    const name = p.name.replaceAll("_", " ");
    const title = `${p.about} ${p.low} to ${p.high} ${p.unit}; left end or “off”: not used. Double-click: back to where it was.`;
    this.p = p;
    this.value = 0;
    this.range = /** @type {HTMLInputElement} */ (element("input", { type: "range", min: 0, max: positions(p), step: 1, title }));
    this.field = /** @type {HTMLInputElement} */ (element("input", { type: "text", inputMode: "decimal", autocomplete: "off", spellcheck: false }));
    this.range.ariaLabel = name;
    this.field.ariaLabel = `${name}, typed`;
    const unit = element("span", { className: "dv-of", textContent: p.unit, title: p.unit });
    this.el = element("div", { className: "dv-slider" }, element("span", { textContent: name, title }), this.range, this.field, unit);
    this.el.dataset.name = p.name;
    const dragged = (/** @type {boolean} */ now) => (this.show(valueAt(p, Number(this.range.value))), changed(this.value, now));
    this.range.oninput = () => dragged(false);
    this.range.onchange = () => Number(this.range.value) !== positionOf(p, this.value) && dragged(true);
    this.range.onpointerup = this.range.onblur = () => changed(this.value, true);
    this.el.ondblclick = (event) => event.target !== this.field && (this.show(initial()), changed(this.value, true));
    this.field.onfocus = () => this.field.select();
    this.field.onchange = () => {
      const value = read(p, this.field.value);
      if (value === null) refused(`${p.name} must be ${p.integer ? "a whole number" : "a number"} from 0 (off) to ${p.high} ${p.unit}, not “${this.field.value}”; it stays ${written(this.value)}.`);
      else if (value !== this.value) this.show(value), changed(value, true);
      this.field.value = written(this.value);
    };
    this.field.onkeydown = (event) => {
      if (event.key === "Escape") this.field.value = written(this.value);
    };
  }

  /** @param {number} value */
  show(value) {
    this.value = value;
    this.range.value = String(positionOf(this.p, value));
    this.range.ariaValueText = value ? `${written(value)} ${this.p.unit}` : "off";
    this.field.value = written(value);
    this.el.classList.toggle("dv-off", !value);
  }
}

/** @param {{model: Model, el: HTMLElement}} context */
const render = ({ model, el }) => {
  const top = element("div", { className: "dv-rows" });
  const more = element("div", { className: "dv-rows" });
  const summary = element("summary");
  const folded = element("details", {}, summary, more);
  const message = element("p", { className: "dv-message", hidden: true });
  message.setAttribute("role", "alert");
  el.classList.add("dv-sliders");
  el.append(top, folded, message);
  el.onkeydown = (event) => event.stopPropagation(); // the notebook has its own use for keys

  /** @type {Row[]} */ let rows = [];
  /** @type {Record<string, number>} */ let pending = {};
  let scheduled = 0;
  const send = () => {
    cancelAnimationFrame(scheduled);
    scheduled = 0;
    if (!Object.keys(pending).length) return;
    model.set("values", { ...model.get("values"), ...pending });
    model.set("message", "");
    pending = {};
    model.save_changes();
  };
  const refused = (/** @type {string} */ sentence) => (model.set("message", sentence), model.save_changes());
  /** @param {string} name @param {number} value @param {boolean} now */
  const changed = (name, value, now) => {
    if (value !== (pending[name] ?? model.get("values")[name])) pending[name] = value;
    if (now) send();
    else scheduled ||= requestAnimationFrame(send); // one message a picture of the screen, however often the pointer moves
  };

  const show = () => {
    for (const row of rows) if (!(row.p.name in pending)) row.show(model.get("values")[row.p.name] ?? 0);
    const on = rows.filter(({ el: row, value }) => value && more.contains(row)).length;
    summary.textContent = on ? `more priors (${on} on)` : "more priors";
  };
  const build = () => {
    const first = model.get("first");
    rows = model.get("declared").map((/** @type {Parameter} */ p) => {
      const initial = () => model.get("defaults")[p.name] ?? 0;
      return new Row(p, (value, now) => changed(p.name, value, now), refused, initial);
    });
    const seen = (/** @type {Row} */ row) => !first.length || first.includes(row.p.name);
    top.replaceChildren(...rows.filter(seen).map((row) => row.el));
    more.replaceChildren(...rows.filter((row) => !seen(row)).map((row) => row.el));
    folded.hidden = !more.children.length;
    show();
  };
  const tell = () => {
    message.textContent = model.get("message");
    message.hidden = !message.textContent;
  };
  model.on("change:declared change:first", build);
  model.on("change:values", show);
  model.on("change:message", tell);
  build();
  tell();
  return () => {
    send();
    model.off("change:declared change:first", build);
    model.off("change:values", show);
    model.off("change:message", tell);
  };
};

export default { render };
