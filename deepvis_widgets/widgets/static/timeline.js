// @ts-check
// The scores of a run as curves, and a playhead: drag it, or use the arrow keys, to look at an earlier picture.
// Keys for the whole optimiser are heard here as well: space runs and pauses, r starts over.

/** @typedef {import("@anywidget/types").AnyModel} Model */
/** @typedef {{step?: string, rate?: string, score?: string, note?: string}} Words */

const KEYS = "Space: run, pause · r: start over · on the curve: arrows: a picture back or on · Home, End: first, last";
const PAD = 6; // CSS pixels around the curve

/** @param {string} tag @param {Record<string, any>} properties @param {(Node | string)[]} children */
const element = (tag, properties = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
};

/** @param {DataView | ArrayBuffer} data */
const floats = (data) => {
  const bytes = data instanceof DataView ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);
  return new Float32Array(bytes.slice().buffer);
};

/** @param {number} value */
const number = (value) => (!Number.isFinite(value) ? "–" : Math.abs(value) >= 1e4 || (value && Math.abs(value) < 0.01) ? value.toExponential(1) : value.toFixed(2));

/** What is known of the run, shared by all views. @typedef {{scores: number[], samples: number, index: number, words: Words}} Run */

/** One view. */
class View {
  /** @param {Model} model @param {HTMLElement} el @param {Run} run */
  constructor(model, el, run) {
    this.model = model;
    this.el = el;
    this.run = run;
    this.canvas = /** @type {HTMLCanvasElement} */ (element("canvas"));
    this.track = element("div", { className: "dv-track", tabIndex: 0, title: KEYS }, this.canvas);
    /** @type {Record<string, HTMLElement>} */ this.words = {};
    for (const name of ["step", "rate", "score", "note"]) this.words[name] = element("span", { className: `dv-${name}` });
    this.button = /** @type {HTMLButtonElement} */ (element("button", { textContent: "Go on from here", title: "Forget what came after this picture, and go on from it with the present settings" }));
    this.message = element("p", { className: "dv-message" });
    this.details = element("pre");
    this.alert = element("div", { className: "dv-alert", hidden: true }, this.message, element("details", {}, element("summary", { textContent: "details" }), this.details));
    this.scheduled = 0;
    this.assemble();
    this.listen();
  }

  assemble() {
    const { step, rate, score, note } = this.words;
    this.track.setAttribute("role", "slider");
    this.track.ariaLabel = "Step of the run";
    this.alert.setAttribute("role", "alert");
    this.el.classList.add("dv-timeline");
    this.el.append(element("div", { className: "dv-line" }, step, rate, this.button));
    this.el.append(element("div", { className: "dv-line" }, score, note), this.track, this.alert);
  }

  listen() {
    this.button.onclick = () => this.order("go on");
    this.track.onpointerdown = (event) => {
      this.track.setPointerCapture(event.pointerId);
      this.track.focus();
      this.scrub(event);
    };
    this.track.onpointermove = (event) => this.track.hasPointerCapture(event.pointerId) && this.scrub(event);
    this.track.onkeydown = (event) => this.press(event);
    this.resize = new ResizeObserver(() => this.draw());
    this.resize.observe(this.track);
    this.theme = new MutationObserver(() => this.draw());
    this.theme.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-name"] });
    const keys = (/** @type {KeyboardEvent} */ event) => this.hear(event);
    // The whole optimiser is in the page only after this part of it is.
    this.waiting = requestAnimationFrame(() => {
      this.whole = /** @type {HTMLElement} */ (this.el.closest(".dv-optimizer") ?? this.el);
      this.whole.addEventListener("keydown", keys);
      this.forget = () => this.whole?.removeEventListener("keydown", keys);
      this.whole.dataset.lmSuppressShortcuts = "true"; // in a notebook, "r" would make its cell raw
    });
  }

  /** @param {string} kind @param {number} [number] */
  order(kind, number = 0) {
    this.model.send({ kind, number });
  }

  /** @param {PointerEvent} event */
  scrub(event) {
    const box = this.track.getBoundingClientRect();
    const share = (event.clientX - box.left - PAD) / Math.max(1, box.width - 2 * PAD);
    const to = Math.round(Math.min(1, Math.max(0, share)) * (this.width - 1));
    cancelAnimationFrame(this.scheduled);
    this.scheduled = requestAnimationFrame(() => this.order("scrub", to));
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    const move = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -5, PageUp: 5 }[event.key];
    if (move) this.order("move", move);
    else if (event.key === "Home") this.order("scrub", 0);
    else if (event.key === "End") this.order("scrub", this.width);
    else if (event.key === "Enter" && !this.button.disabled) this.order("go on");
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Keys that work anywhere in the optimiser but where something is typed or pressed. @param {KeyboardEvent} event */
  hear(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || target.closest("input, select, textarea, button, summary, [contenteditable]")) return;
    if (event.key === " ") this.order("run");
    else if (event.key === "r") this.order("restart");
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** How many steps the curve's width stands for. */
  get width() {
    return Math.max(2, this.model.get("steps"), this.run.scores.length / this.run.samples);
  }

  draw() {
    for (const [name, node] of Object.entries(this.words)) node.textContent = node.title = this.run.words[/** @type {keyof Words} */ (name)] ?? "";
    this.button.disabled = !this.model.get("rewound");
    this.message.textContent = this.model.get("message");
    this.details.textContent = this.model.get("details");
    /** @type {HTMLElement} */ (this.details.parentElement).hidden = !this.details.textContent;
    this.alert.hidden = !this.message.textContent;
    const { scores, samples, index } = this.run;
    const at = Math.min(index, scores.length / samples - 1);
    this.track.ariaValueMin = "0";
    this.track.ariaValueMax = String(this.width - 1);
    this.track.ariaValueNow = String(Math.max(0, index));
    this.track.ariaValueText = `step ${index + 1}, score ${number(scores[at * samples + this.model.get("selected")])}`;
    this.el.dataset.index = String(index);
    this.el.dataset.length = String(scores.length / samples);
    this.paint();
  }

  paint() {
    const ratio = window.devicePixelRatio;
    const [wide, tall] = [this.track.clientWidth, this.track.clientHeight];
    if (!wide) return;
    Object.assign(this.canvas, { width: Math.round(wide * ratio), height: Math.round(tall * ratio) });
    const context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    const style = getComputedStyle(this.track);
    const colour = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
    const { scores, samples, index } = this.run;
    let [low, high] = [Infinity, -Infinity];
    for (const score of scores) if (Number.isFinite(score)) [low, high] = [Math.min(low, score), Math.max(high, score)];
    if (low > high) [low, high] = [0, 1];
    const span = high - low || 1;
    const x = (/** @type {number} */ i) => PAD + (i / (this.width - 1)) * (wide - 2 * PAD);
    const y = (/** @type {number} */ score) => tall - PAD - ((score - low) / span) * (tall - 2 * PAD);
    const selected = Math.max(0, Math.min(samples - 1, this.model.get("selected")));
    const order = [...Array(samples).keys()].filter((sample) => sample !== selected);
    context.scale(ratio, ratio);
    context.lineJoin = "round";
    for (const sample of [...order, selected]) {
      context.strokeStyle = sample === selected ? colour("--dv-accent") : colour("--dv-quiet");
      context.lineWidth = sample === selected ? 2 : 1;
      context.beginPath();
      let pen = false;
      for (let i = 0; i * samples < scores.length; i++) {
        const score = scores[i * samples + sample];
        if (!Number.isFinite(score)) pen = false;
        else if (pen) context.lineTo(x(i), y(score));
        else context.moveTo(x(i), y(score)), (pen = true);
      }
      context.stroke();
    }
    context.fillStyle = colour("--dv-quiet");
    context.font = style.font;
    context.textBaseline = "top";
    if (scores.length) context.fillText(number(high), PAD, 2);
    context.textBaseline = "bottom";
    if (scores.length) context.fillText(number(low), PAD, tall - 2);
    context.strokeStyle = context.fillStyle = style.color;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(x(index), 0);
    context.lineTo(x(index), tall);
    context.stroke();
    const score = scores[index * samples + selected];
    if (!Number.isFinite(score)) return;
    context.beginPath();
    context.arc(x(index), y(score), 4, 0, 2 * Math.PI);
    context.fill();
  }

  close() {
    cancelAnimationFrame(this.waiting ?? 0);
    this.resize?.disconnect();
    this.theme?.disconnect();
    this.forget?.();
  }
}

export default () => {
  /** @type {Run} */ const run = { scores: [], samples: 1, index: 0, words: {} };
  /** @type {Set<View>} */ const views = new Set();
  const draw = () => views.forEach((view) => view.draw());

  /** @param {Model} model */
  const stored = (model) => {
    run.samples = model.get("samples");
    run.words = model.get("_words");
    run.scores = [...floats(model.get("_curve") ?? new ArrayBuffer(0))];
    run.index = model.get("index");
    draw();
  };
  return {
    /** @param {{model: Model}} context */
    initialize({ model }) {
      model.on("change:_kept", () => stored(model));
      model.on("change:steps change:selected change:rewound change:message change:details", draw);
      model.on("msg:custom", (/** @type {any} */ message, /** @type {DataView[]} */ buffers) => {
        if (message.kind !== "steps") return;
        const from = message.from * message.samples;
        run.samples = message.samples;
        while (run.scores.length < from) run.scores.push(NaN); // from before this page was there
        run.scores.length = from;
        run.scores.push(...floats(buffers[0]));
        run.index = run.scores.length / run.samples - 1;
        run.words = message.words;
        draw();
      });
      stored(model);
      model.send({ kind: "hello" });
    },
    /** @param {{model: Model, el: HTMLElement}} context */
    render({ model, el }) {
      const view = new View(model, el, run);
      views.add(view);
      view.draw();
      return () => (views.delete(view), view.close());
    },
  };
};
