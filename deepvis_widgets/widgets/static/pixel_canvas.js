// @ts-check
// uint8 maps -> pixels, in place. The maps come once, at their own resolution; tiling, scaling, colours, gamma, boost, selection
// and enlarging happen here, without the kernel. The canvas holds one pixel a value, the browser enlarges it by whole pixels.
// Pictures (PictureGrid) come as RGB in the same way, and are drawn at the size they are seen at, with a gap and their label.

/** @typedef {import("@anywidget/types").AnyModel} Model */
/** @typedef {{units: number, height: number, width: number, low: number, high: number, signed: boolean, layer: string,
 *   sequence: number, captured: number, dropped: number, invalid: number, maps: Uint8Array, broken: Uint8Array | null}} Frame */
/** @typedef {{units: number, height: number, width: number, labels: string[], places: number, columns: number, sequence: number,
 *   maps: Uint8Array}} Pictures */

const FINE = 1020; // colours are looked up in steps of a quarter of a byte, so that boosted values do not band
const BROKEN = [0xffff00ff, 0xff000000]; // NaN and infinities: a magenta and black chequer, no colour map has it
const KEYS = "arrows: another unit · Enter or double-click: enlarge it · Esc: back to all · Home, End: first, last · h: these keys";
const GAP = 1; // device pixels between tiles
const AIR = 8; // CSS pixels between pictures: the outline of the selected one lies there
const STRIP = 16; // CSS pixels under a picture for its label
const READABLE = 48; // CSS pixels of a picture's width below which a label under it could not be read
const TELL_MS = 100; // between changes of the numbers of a live picture: nobody reads faster, and text makes the page lay itself out

/** @param {string} tag @param {Record<string, any>} properties @param {(Node | string)[]} children */
const element = (tag, properties = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
};

/** @param {DataView | ArrayBuffer} data */
const bytes = (data) => (data instanceof DataView ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data));

/** Colours (0xAABBGGRR) for 0..FINE, gamma bent. @param {Model} model @param {boolean} signed */
const table = (model, signed) => {
  const palette = bytes(model.get("palettes")[model.get(signed ? "signed_colormap" : "colormap")]);
  const gamma = model.get("gamma");
  return Uint32Array.from({ length: FINE + 1 }, (_, i) => {
    const v = signed ? (2 * i) / FINE - 1 : i / FINE;
    const bent = Math.sign(v) * Math.abs(v) ** gamma;
    const at = 3 * Math.round(signed ? 127.5 + 127.5 * bent : 255 * bent);
    return (0xff << 24) | (palette[at + 2] << 16) | (palette[at + 1] << 8) | palette[at];
  });
};

/** How much a unit's values are multiplied: the toolbox's max^-boost. @param {Frame} frame @param {number} unit @param {number} boost */
const factor = (frame, unit, boost) => {
  if (!boost) return 1;
  let peak = 0;
  const size = frame.height * frame.width;
  for (let i = unit * size; i < (unit + 1) * size; i++) {
    const value = frame.signed ? Math.abs(frame.maps[i] - 127.5) / 127.5 : frame.maps[i] / 255;
    if (value > peak) peak = value;
  }
  return peak > 1 / 255 ? peak ** -boost : 1; // a unit that is zero, which no byte is if signed, stays so
};

/** How many columns and rows of pictures, and how large: whatever columns show them largest, unless they are given.
 * @param {Pictures} frame @param {number} count @param {number} columns or 0 @param {number} height of the pane @param {number} width @param {number} air @param {number} strip */
const arrange = (frame, count, columns, height, width, air, strip) => {
  const scale = (/** @type {number} */ n) =>
    Math.min((width / n - air) / frame.width, (height / Math.ceil(count / n) - air - strip) / frame.height);
  let best = columns || 1;
  for (let n = 2; !columns && n <= count; n++) if (scale(n) > scale(best)) best = n;
  const size = Math.max(0, scale(best));
  return { columns: best, strip, wide: Math.floor(size * frame.width), tall: Math.floor(size * frame.height) };
};

/** The grid that shows tiles largest: the toolbox's (columns = ceil(sqrt(units * aspect))), unless another one gains a whole pixel.
 * @param {number} units @param {number} tall of a tile @param {number} wide of a tile @param {number} height of the pane @param {number} width */
const layout = (units, tall, wide, height, width) => {
  const scale = (/** @type {number} */ columns) => {
    const fit = Math.min(width / (columns * wide), height / (Math.ceil(units / columns) * tall));
    return fit >= 1 ? Math.floor(fit) : fit; // whole device pixels, unless it does not fit at all
  };
  let columns = Math.max(1, Math.ceil(Math.sqrt((units * width * tall) / (height * wide)) - 1e-10));
  for (let other = 1; other <= units; other++) if (scale(other) > scale(columns)) columns = other;
  return { columns, rows: Math.ceil(units / columns), scale: scale(columns) };
};

/** @param {CanvasRenderingContext2D} context @param {Frame} frame @param {number[]} units @param {number} columns @param {Uint32Array} colours @param {number} boost */
const paint = (context, frame, units, columns, colours, boost) => {
  const { height, width, maps, broken, signed } = frame;
  const [wide, tall] = [columns * width, Math.ceil(units.length / columns) * height];
  if (context.canvas.width !== wide || context.canvas.height !== tall) Object.assign(context.canvas, { width: wide, height: tall });
  const image = context.createImageData(wide, tall);
  const pixels = new Uint32Array(image.data.buffer);
  const middle = signed ? FINE / 2 : 0;
  units.forEach((unit, tile) => {
    const scale = 4 * factor(frame, unit, boost);
    let from = unit * height * width;
    for (let y = 0; y < height; y++) {
      let to = (Math.floor(tile / columns) * height + y) * wide + (tile % columns) * width;
      for (let x = 0; x < width; x++, from++) {
        const at = signed ? middle + (maps[from] - 127.5) * scale : maps[from] * scale;
        pixels[to++] = broken?.[from] ? BROKEN[(x + y) % 2] : colours[at < 0 ? 0 : at > FINE ? FINE : Math.round(at)];
      }
    }
  });
  context.putImageData(image, 0, 0);
};

/** What a value says to a person. @param {number} value */
const number = (value) => (Math.abs(value) >= 1000 || (value && Math.abs(value) < 0.01) ? value.toExponential(1) : value.toFixed(2));

/** One view: the stage with its two canvases, the line above it and the row below it. */
class View {
  /** @param {Model} model @param {HTMLElement} el @param {() => Frame | null} current */
  constructor(model, el, current) {
    const make = (/** @type {string} */ className) => /** @type {HTMLCanvasElement} */ (element("canvas", { className }));
    this.model = model;
    this.el = el;
    this.current = current;
    this.maps = make("dv-maps");
    this.marks = make("dv-marks");
    this.unitCanvas = make("dv-unit");
    this.legend = make("dv-legend");
    this.context = /** @type {CanvasRenderingContext2D} */ (this.maps.getContext("2d", { willReadFrequently: true }));
    this.stage = element("div", { className: "dv-stage", tabIndex: 0 }, this.maps, this.marks);
    this.caption = element("span", { className: "dv-caption" });
    this.status = element("span", { className: "dv-status" });
    this.readout = element("output", { className: "dv-readout" });
    this.range = element("span", { className: "dv-range" });
    this.help = element("div", { className: "dv-help", textContent: KEYS, hidden: true });
    this.select = /** @type {HTMLSelectElement} */ (element("select", { title: "Colour map" }));
    this.enlarged = false;
    this.columns = 1;
    this.scale = 1; // CSS pixels a value
    this.hover = -1; // the unit under the pointer
    this.spot = -1; // and the place in its map
    this.drawn = ""; // what the parts that stay from frame to frame were drawn for
    this.reported = 0;
    this.told = 0; // when the numbers were last written
    this.quiet = 0;
    /** @type {number[]} when the last frames were painted */ this.painted = [];
    /** @type {number[]} how long they took from the camera */ this.latencies = [];
    this.assemble();
    this.listen();
    this.resize = new ResizeObserver(() => this.draw());
    this.resize.observe(this.stage);
    // Another theme's colours are there when its stylesheet is, which is after the page says that it has another theme.
    this.restyled = (/** @type {Event} */ event) => event.target instanceof HTMLLinkElement && ((this.drawn = ""), this.draw());
    document.addEventListener("load", this.restyled, true);
  }

  assemble() {
    const gamma = this.slider("gamma", 0.2, 2, 1, "Below 1 lifts weak activations");
    const boost = this.slider("boost", 0, 1, 0, "How far each unit uses its own range");
    const key = element("span", { className: "dv-key" }, this.legend, this.range);
    const words = element("div", { className: "dv-words" }, this.readout, key);
    const controls = element("div", { className: "dv-controls" }, element("label", { textContent: "map " }, this.select), gamma, boost);
    this.stage.setAttribute("role", "application");
    this.el.classList.add("dv-grid");
    this.el.append(element("div", { className: "dv-line" }, this.caption, this.status), this.stage, this.help);
    this.el.append(element("div", { className: "dv-line dv-foot" }, this.unitCanvas, words, controls));
  }

  listen() {
    this.select.onchange = () => this.set(this.current()?.signed ? "signed_colormap" : "colormap", this.select.value);
    this.stage.onpointermove = (event) => this.point(this.place(event));
    this.stage.onpointerleave = () => this.point(-1);
    this.stage.onclick = (event) => this.choose(this.place(event));
    this.stage.ondblclick = () => this.enlarge(!this.enlarged);
    this.stage.onkeydown = (event) => this.press(event);
  }

  /** @param {string} name @param {number} min @param {number} max @param {number} neutral @param {string} title */
  slider(name, min, max, neutral, title) {
    const input = /** @type {HTMLInputElement} */ (element("input", { type: "range", min, max, step: 0.05, title: `${title}; double-click: ${neutral}` }));
    const value = element("output");
    const show = () => ((input.value = this.model.get(name)), (value.textContent = this.model.get(name).toFixed(2)));
    input.oninput = () => this.set(name, Number(input.value));
    input.ondblclick = () => this.set(name, neutral);
    input.ariaLabel = name;
    this.model.on(`change:${name}`, show);
    this.model.on(`change:${name}`, () => this.draw());
    show();
    return element("label", { textContent: `${name} ` }, input, value);
  }

  /** @param {string} name @param {any} value */
  set(name, value) {
    this.model.set(name, value);
    this.model.save_changes();
  }

  /** The units on the canvas now. @param {Frame} frame */
  units(frame) {
    return this.enlarged ? [this.model.get("unit")] : Array.from({ length: frame.units }, (_, i) => i);
  }

  /** @param {boolean} [live] one frame of many: what is read may lag behind what is seen */
  draw(live = false) {
    const frame = this.current();
    if (!frame) return;
    const units = this.units(frame);
    const ratio = window.devicePixelRatio;
    const [wide, tall] = [this.stage.clientWidth * ratio, this.stage.clientHeight * ratio];
    if (!wide) return;
    const { columns, scale } = layout(units.length, frame.height, frame.width, tall, wide);
    this.columns = columns;
    this.scale = scale / ratio;
    const colours = table(this.model, frame.signed);
    const boost = this.model.get("boost");
    paint(this.context, frame, units, columns, colours, boost);
    for (const canvas of [this.maps, this.marks]) {
      Object.assign(canvas.style, { width: `${this.maps.width * this.scale}px`, height: `${this.maps.height * this.scale}px` });
    }
    const unit = this.model.get("unit");
    if (unit >= 0 && unit < frame.units) {
      const small = /** @type {CanvasRenderingContext2D} */ (this.unitCanvas.getContext("2d"));
      paint(small, frame, [unit], 1, colours, boost);
    }
    this.unitCanvas.style.visibility = unit < 0 ? "hidden" : "visible";
    if (!live || performance.now() - this.told > TELL_MS) {
      this.told = performance.now();
      this.range.textContent = `${number(frame.low)} … ${number(frame.high)}`;
      this.say(frame);
    }
    this.el.dataset.sequence = String(frame.sequence);
    // The rest stays from frame to frame, and is what would cost most.
    const look = ["colormap", "signed_colormap", "gamma", "caption"].map((name) => this.model.get(name));
    const { layer, height, width, signed, invalid } = frame;
    const drawn = [layer, frame.units, height, width, signed, invalid, wide, tall, columns, unit, this.enlarged, ...look].join();
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    this.mark(frame, units);
    this.tell(frame, colours);
    this.ask(frame, wide, tall);
  }

  /** Gaps and the outline of the selected unit, on a canvas of device pixels above the maps. @param {Frame} frame @param {number[]} units */
  mark(frame, units) {
    const ratio = window.devicePixelRatio;
    const [width, height] = [frame.width * this.scale * ratio, frame.height * this.scale * ratio];
    const rows = Math.ceil(units.length / this.columns);
    Object.assign(this.marks, { width: Math.round(this.columns * width), height: Math.round(rows * height) });
    const context = /** @type {CanvasRenderingContext2D} */ (this.marks.getContext("2d"));
    const style = getComputedStyle(this.stage);
    context.fillStyle = style.getPropertyValue("--dv-gap").trim();
    if (!this.enlarged) {
      for (let i = 1; i <= this.columns; i++) context.fillRect(Math.round(i * width) - GAP, 0, GAP, this.marks.height);
      for (let i = 1; i <= rows; i++) context.fillRect(0, Math.round(i * height) - GAP, this.marks.width, GAP);
    }
    const box = (/** @type {number} */ tile, /** @type {string} */ colour, /** @type {number} */ line) => {
      if (tile < 0) return;
      context.strokeStyle = colour;
      context.lineWidth = line;
      context.strokeRect((tile % this.columns) * width + line / 2, Math.floor(tile / this.columns) * height + line / 2, width - line - GAP, height - line - GAP);
    };
    if (this.enlarged) return;
    box(this.hover, style.color, ratio);
    box(this.model.get("unit"), style.getPropertyValue("--dv-accent").trim(), 2 * ratio);
  }

  /** @param {Frame} frame @param {Uint32Array} colours */
  tell(frame, colours) {
    const broken = frame.invalid ? ` · ${frame.invalid} values are NaN or infinite (chequered)` : "";
    this.caption.textContent = this.model.get("caption") + broken;
    Object.assign(this.legend, { width: 128, height: 1 });
    const context = /** @type {CanvasRenderingContext2D} */ (this.legend.getContext("2d"));
    const image = context.createImageData(128, 1);
    new Uint32Array(image.data.buffer).forEach((_, i, row) => (row[i] = colours[Math.round((i / 127) * FINE)]));
    context.putImageData(image, 0, 0);
    const names = this.model.get(frame.signed ? "diverging" : "sequential");
    if (this.select.length !== names.length || this.select.options[0].value !== names[0]) this.select.replaceChildren(...names.map((/** @type {string} */ name) => new Option(name)));
    this.select.value = this.model.get(frame.signed ? "signed_colormap" : "colormap");
    this.stage.ariaLabel = `${frame.units} activation maps of ${frame.layer}. ${KEYS}`;
  }

  /** What the pointer is on, else the strongest place of the selected unit. @param {Frame} frame @returns {void} */
  say(frame) {
    const size = frame.height * frame.width;
    let [unit, at] = [this.model.get("unit"), -1];
    if (this.hover >= 0) [unit, at] = [this.hover, this.spot];
    if (unit < 0 || unit >= frame.units) return void (this.readout.textContent = "click a map to select its unit");
    if (at < 0) {
      at = 0;
      for (let i = 1; i < size; i++) if (frame.maps[unit * size + i] > frame.maps[unit * size + at]) at = i;
    }
    const value = frame.low + (frame.maps[unit * size + at] / 255) * (frame.high - frame.low);
    const text = frame.broken?.[unit * size + at] ? "NaN or infinite" : number(value);
    const name = this.model.get("unit_labels")[unit];
    const where = size > 1 ? ` at (${Math.floor(at / frame.width)}, ${at % frame.width})` : "";
    this.readout.textContent = `${frame.layer}:${unit}  ${text}${where}${name ? `  ${name}` : ""}`;
  }

  /** Maps larger than their tile would only be sent: tell the kernel how large tiles are. @param {Frame} frame @param {number} wide @param {number} tall */
  ask(frame, wide, tall) {
    const [, height, width] = this.model.get("shape");
    if (this.enlarged || !width) return;
    const { columns, rows } = layout(frame.units, height, width, tall, wide);
    const tile = Math.max(16, Math.floor(Math.max(wide / columns, tall / rows)));
    if (tile !== this.model.get("tile")) this.set("tile", tile);
  }

  /** The unit under the pointer, or -1; the place in its map goes to `spot`. @param {MouseEvent} event */
  place(event) {
    const frame = this.current();
    if (!frame) return -1;
    const box = this.maps.getBoundingClientRect();
    const [x, y] = [Math.floor((event.clientX - box.left) / this.scale), Math.floor((event.clientY - box.top) / this.scale)];
    if (x < 0 || y < 0 || x >= this.maps.width || y >= this.maps.height) return -1;
    const tile = Math.floor(y / frame.height) * this.columns + Math.floor(x / frame.width);
    this.spot = (y % frame.height) * frame.width + (x % frame.width);
    return this.units(frame)[tile] ?? -1;
  }

  /** @param {number} unit */
  point(unit) {
    this.hover = unit;
    const frame = this.current();
    if (frame) this.mark(frame, this.units(frame)), this.say(frame);
  }

  /** @param {number} unit */
  choose(unit) {
    if (unit >= 0 && unit !== this.model.get("unit")) this.set("unit", unit);
  }

  /** @param {boolean} on */
  enlarge(on) {
    this.enlarged = on && this.model.get("unit") >= 0;
    this.hover = -1;
    this.draw();
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    const frame = this.current();
    if (!frame) return;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns, Home: -Infinity, End: Infinity }[event.key];
    if (step !== undefined) this.choose(Math.max(0, Math.min(frame.units - 1, Math.max(-1, this.model.get("unit")) + step)));
    else if (event.key === "Enter") this.enlarge(!this.enlarged);
    else if (event.key === "Escape") this.enlarge(false);
    else if (event.key === "h") this.help.hidden = !this.help.hidden;
    else return;
    event.preventDefault();
    event.stopPropagation(); // the notebook has its own use for these keys
  }

  /** A frame from the camera was painted: what the status line says of it. @param {Frame} frame */
  count(frame) {
    const now = performance.now();
    this.painted = [...this.painted.filter((time) => now - time < 1000), now];
    this.latencies = [...this.latencies.slice(-29), performance.timeOrigin + now - frame.captured];
    if (now - this.reported > 500) this.report(frame, now);
    clearTimeout(this.quiet);
    this.quiet = window.setTimeout(() => (this.status.textContent = ""), 2000);
  }

  /** @param {Frame} frame @param {number} now */
  report(frame, now) {
    this.reported = now;
    const middle = [...this.latencies].sort((a, b) => a - b)[Math.floor(this.latencies.length / 2)];
    this.status.textContent = `${String(this.painted.length).padStart(2)} fps · ${middle.toFixed(0)} ms · ${frame.dropped} dropped`;
    this.status.title = "distinct frames shown in the last second · from camera to pixels, median · camera frames that were skipped";
  }

  close() {
    this.resize.disconnect();
    document.removeEventListener("load", this.restyled, true);
    clearTimeout(this.quiet);
  }
}

/** A view of pictures: no colour map and what belongs to it, but labels, a gap, and places for pictures still to come. */
class Gallery extends View {
  tile = { columns: 1, strip: 0, wide: 0, tall: 0 }; // in device pixels
  copy = /** @type {HTMLCanvasElement} */ (element("canvas")); // one picture as it came, to be drawn at its size

  assemble() {
    this.stage.setAttribute("role", "application");
    this.help.textContent = KEYS.replace("unit", "picture");
    this.el.classList.add("dv-grid", "dv-pictures");
    this.el.append(element("div", { className: "dv-line" }, this.caption, this.readout), this.stage, this.help);
  }

  /** @returns {Pictures | null} */
  pictures() {
    return /** @type {any} */ (this.current());
  }

  /** The tiles on the canvas now: pictures, and -1 for those still to come. @param {any} frame */
  units(frame) {
    if (this.enlarged) return [this.model.get("unit")];
    return Array.from({ length: frame.places }, (_, i) => (i < frame.units ? i : -1));
  }

  draw() {
    const frame = this.pictures();
    const ratio = window.devicePixelRatio;
    const [wide, tall] = [Math.round(this.stage.clientWidth * ratio), Math.round(this.stage.clientHeight * ratio)];
    if (!frame || !wide) return;
    const unit = this.model.get("unit");
    if (this.enlarged && !(unit >= 0 && unit < frame.units)) return this.enlarge(false);
    const tiles = this.units(frame);
    const fit = (/** @type {number} */ strip) => arrange(frame, tiles.length, this.enlarged ? 1 : frame.columns, tall, wide, AIR * ratio, strip);
    const labelled = !this.enlarged && frame.labels.length ? fit(STRIP * ratio) : null;
    this.tile = labelled && labelled.wide >= READABLE * ratio ? labelled : fit(0);
    this.columns = this.tile.columns;
    for (const canvas of [this.maps, this.marks]) {
      if (canvas.width !== wide || canvas.height !== tall) Object.assign(canvas, { width: wide, height: tall });
      Object.assign(canvas.style, { width: `${wide / ratio}px`, height: `${tall / ratio}px` });
    }
    this.paint(frame, tiles);
    this.mark();
    this.caption.textContent = this.model.get("caption");
    this.stage.ariaLabel = `${frame.units} pictures. ${this.help.textContent}`;
    this.el.dataset.sequence = String(frame.sequence);
    this.el.dataset.units = String(frame.units);
    this.say();
  }

  /** The corner of a tile's picture. @param {number} tile */
  corner(tile) {
    const air = AIR * window.devicePixelRatio;
    const { columns, strip, wide, tall } = this.tile;
    return [air / 2 + (tile % columns) * (wide + air), air / 2 + Math.floor(tile / columns) * (tall + air + strip)];
  }

  /** @param {Pictures} frame @param {number[]} tiles */
  paint(frame, tiles) {
    const { context, copy } = this;
    const { wide, tall } = this.tile;
    const style = getComputedStyle(this.stage);
    Object.assign(copy, { width: frame.width, height: frame.height });
    const source = /** @type {CanvasRenderingContext2D} */ (copy.getContext("2d", { willReadFrequently: true }));
    const image = source.createImageData(Math.max(1, frame.width), Math.max(1, frame.height));
    const pixels = new Uint32Array(image.data.buffer);
    context.clearRect(0, 0, context.canvas.width, context.canvas.height);
    context.imageSmoothingQuality = "high";
    context.fillStyle = style.getPropertyValue("--dv-place").trim();
    tiles.forEach((picture, tile) => {
      const [x, y] = this.corner(tile);
      if (picture < 0) return context.fillRect(x, y, wide, tall);
      for (let i = 0, from = 3 * picture * frame.height * frame.width; i < pixels.length; i++, from += 3) {
        pixels[i] = (0xff << 24) | (frame.maps[from + 2] << 16) | (frame.maps[from + 1] << 8) | frame.maps[from];
      }
      source.putImageData(image, 0, 0);
      context.drawImage(copy, x, y, wide, tall);
    });
    if (this.tile.strip) this.label(frame, style);
  }

  /** @param {Pictures} frame @param {CSSStyleDeclaration} style */
  label(frame, style) {
    const ratio = window.devicePixelRatio;
    const { context } = this;
    context.fillStyle = style.color;
    context.font = `${11 * ratio}px ${style.fontFamily}`;
    context.textBaseline = "top";
    frame.labels.forEach((label, tile) => {
      let text = label;
      while (text && context.measureText(text).width > this.tile.wide) text = text.replace(/.…?$/u, text.length > 2 ? "…" : "");
      const [x, y] = this.corner(tile);
      context.fillText(text, x, y + this.tile.tall + 3 * ratio);
    });
  }

  /** Outlines around pictures, in the gap, so that they hide nothing. */
  mark() {
    const frame = this.pictures();
    const context = /** @type {CanvasRenderingContext2D} */ (this.marks.getContext("2d"));
    context.clearRect(0, 0, this.marks.width, this.marks.height);
    if (!frame || this.enlarged) return;
    const style = getComputedStyle(this.stage);
    const ratio = window.devicePixelRatio;
    const box = (/** @type {number} */ tile, /** @type {string} */ colour, /** @type {number} */ line) => {
      if (tile < 0 || tile >= frame.units) return;
      const [x, y] = this.corner(tile);
      Object.assign(context, { strokeStyle: colour, lineWidth: line });
      context.strokeRect(x - line / 2, y - line / 2, this.tile.wide + line, this.tile.tall + line);
    };
    box(this.hover, style.color, ratio);
    box(this.model.get("unit"), style.getPropertyValue("--dv-accent").trim(), 3 * ratio);
  }

  /** The label of the picture under the pointer, else of the selected one. */
  say() {
    const frame = this.pictures();
    if (!frame) return;
    const unit = this.hover >= 0 ? this.hover : this.model.get("unit");
    const known = unit >= 0 && unit < frame.units;
    const text = known ? (frame.labels[unit] ?? `${unit + 1} of ${frame.units}`) : frame.units > 1 ? "click a picture to select it" : "";
    if (this.readout.textContent !== text) this.readout.textContent = this.readout.title = text;
  }

  /** The picture under the pointer, or -1. @param {MouseEvent} event */
  place(event) {
    const frame = this.pictures();
    if (!frame) return -1;
    const ratio = window.devicePixelRatio;
    const air = AIR * ratio;
    const { columns, strip, wide, tall } = this.tile;
    const box = this.maps.getBoundingClientRect();
    const column = Math.floor(((event.clientX - box.left) * ratio) / (wide + air));
    const row = Math.floor(((event.clientY - box.top) * ratio) / (tall + air + strip));
    return column < 0 || column >= columns || row < 0 ? -1 : (this.units(frame)[row * columns + column] ?? -1);
  }
}

export default () => {
  /** @type {Frame | null} */ let frame = null;
  /** @type {any[]} */ let kept = []; // the state that was shown last
  /** @type {Set<View>} */ const views = new Set();

  /** @param {any} message @param {any[]} buffers @param {boolean} [live] */
  const take = (message, buffers, live) => {
    frame = { ...message, maps: bytes(buffers[0]), broken: buffers[1] ? bytes(buffers[1]) : null };
    for (const view of views) view.draw(live);
  };
  /** @param {Model} model */
  const stored = (model) => {
    const [message, pixels] = [model.get("_still"), model.get("_pixels")];
    if (message.units === undefined || (message === kept[0] && pixels === kept[1])) return;
    kept = [message, pixels];
    const all = bytes(pixels);
    const size = message.units * message.height * message.width;
    take(message, message.invalid ? [all.slice(0, size).buffer, all.slice(size).buffer] : [all.slice().buffer]);
  };
  return {
    /** @param {{model: Model}} context */
    initialize({ model }) {
      model.on("change:_pixels change:_still", () => stored(model));
      model.on("msg:custom", (/** @type {any} */ message, /** @type {DataView[]} */ buffers) => {
        if (message.kind !== "maps" && message.kind !== "pictures") return;
        take(message, buffers, true);
        if (message.kind === "pictures") model.send({ kind: "shown", sequence: message.sequence });
        else for (const view of views) view.count(message);
      });
      model.on("change:colormap change:signed_colormap change:palettes change:unit change:caption change:unit_labels", () => {
        for (const view of views) view.draw();
      });
      stored(model);
    },
    /** @param {{model: Model, el: HTMLElement}} context */
    render({ model, el }) {
      const view = new (model.get("palettes") ? View : Gallery)(model, el, () => frame); // pictures bring their own colours
      views.add(view);
      view.draw();
      return () => (views.delete(view), view.close());
    },
  };
};
