// @ts-check
// Frames of a camera, a video or a picture, cropped and resized to what the network takes, to the kernel; each new one once,
// two in flight. One Pump a widget, however many views it has; when the last view goes, the camera goes off.

/** @typedef {import("@anywidget/types").AnyModel} Model */
/** @typedef {{el: HTMLElement, preview: HTMLCanvasElement, update: () => void}} View */

const IN_FLIGHT = 2; // hides most of a Jupyter comm's 50 ms round trip; more would only add latency
const ACK_MS = 4000; // after that long a frame counts as lost
const ABANDON_MS = 12000; // after that long without any answer the kernel counts as gone, and the camera goes off
const PREVIEW = 256; // pixels of the longer side of the preview

/** What happened and what to do, by the name of the browser's error. @type {Record<string, string>} */
const MESSAGES = {
  NotAllowedError: "The camera was refused. Allow it (the camera sign in the browser's address bar), then press Camera again; or use Picture. VS Code never allows it.",
  NotFoundError: "No camera was found. Plug one in and press Camera again, or use Picture.",
  NotReadableError: "The camera is busy: another program has it. Close that program, then press Camera again.",
  OverconstrainedError: "That camera is not there any more. Choose another, then press Camera again.",
  Insecure: "Browsers give the camera only to https:// pages and to localhost. Reach the server by https or through ssh -L, or use Picture.",
  Ended: "The camera was disconnected. Plug it in and press Camera again, or use Picture.",
  Kernel: "The kernel does not answer, so the camera was switched off. Run the cell again.",
  Picture: "This file is neither a picture nor a video that the browser can read. Choose a JPEG, PNG, WebP or MP4 file.",
};

/** @param {string} tag @param {Record<string, any>} properties @param {(Node | string)[]} children */
const element = (tag, properties = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
};

class Pump {
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    this.video = Object.assign(document.createElement("video"), { muted: true, playsInline: true, loop: true });
    this.canvas = document.createElement("canvas");
    this.pixels = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d", { willReadFrequently: true }));
    /** @type {Set<View>} */ this.views = new Set();
    /** @type {Map<number, number>} when each frame in flight was sent */ this.inFlight = new Map();
    /** @type {MediaStream | null} */ this.stream = null;
    /** @type {CanvasImageSource | null} the picture shown while no video runs */ this.still = null;
    /** @type {MediaDeviceInfo[]} */ this.devices = [];
    this.ours = false; // whether the tracks are ours to end: a camera's are, a video widget's are not
    this.streamUsed = false; // ipywebrtc hands out the same stream, or the same refusal, for ever: it is asked once
    this.busy = false; // opening, or live
    this.opening = 0; // counts attempts, so that a late answer to an old one is let go
    this.sequence = 0;
    this.offered = 0;
    this.fresh = 0; // when the camera frame came that waits for its turn, 0 for none
    this.answered = performance.now();
    model.on("change:running", () => this.follow());
    model.on("change:frozen", () => this.freeze());
    model.on("change:picture", () => this.showPicture());
    model.on("change:message change:details change:state change:mirror", () => this.update());
    model.on("msg:custom", (message) => this.receive(message));
    model.on("comm_live_update", () => this.abandon());
    this.onHide = () => this.stop();
    window.addEventListener("pagehide", this.onHide);
    this.showPicture();
    this.follow();
  }

  /** Do what ``running`` says, unless it says what is. */
  follow() {
    const running = this.model.get("running");
    if (running && !this.busy) this.open();
    else if (!running && this.busy) this.stop();
  }

  /** @param {Record<string, any>} traits */
  set(traits) {
    for (const [name, value] of Object.entries(traits)) this.model.set(name, value);
    this.model.save_changes();
    this.update();
  }

  update() {
    for (const view of this.views) view.update();
  }

  /** @param {string} [deviceId] @param {File} [file] */
  async open(deviceId, file) {
    this.release();
    const attempt = ++this.opening;
    this.busy = true;
    this.set({ state: "opening", message: "", frozen: false });
    try {
      if (file) Object.assign(this, { ours: false }).video.src = URL.createObjectURL(file);
      else {
        const stream = await this.find(deviceId);
        if (attempt !== this.opening) return end(stream); // stopped while the browser was asking
        this.stream = this.video.srcObject = stream;
        for (const track of stream.getTracks()) track.addEventListener("ended", () => this.fail("Ended"));
      }
      await this.video.play();
      if (attempt !== this.opening) return;
      this.devices = await this.cameras();
      this.offered = this.sequence = 0;
      this.answered = performance.now();
      this.set({ state: "live", running: true });
      this.watch(attempt);
    } catch (error) {
      if (attempt === this.opening) this.fail(file ? "Picture" : /** @type {Error} */ (error).name);
    }
  }

  /** The stream that the kernel named, or a camera. @param {string} [deviceId] @returns {Promise<MediaStream>} */
  async find(deviceId) {
    let constraints = this.model.get("constraints");
    const reference = this.model.get("stream");
    this.ours = true;
    if (reference && !deviceId) {
      const found = await this.model.widget_manager.get_model(reference.slice("IPY_MODEL_".length)).catch(() => null);
      const source = /** @type {(Model & {captureStream?: () => Promise<MediaStream>}) | null} */ (found);
      const isCamera = Boolean(source?.get("constraints"));
      constraints = source?.get("constraints") ?? constraints;
      if (source?.captureStream && !(isCamera && (this.streamUsed || !navigator.mediaDevices))) {
        this.streamUsed = true;
        this.ours = isCamera;
        return source.captureStream();
      }
    }
    if (!navigator.mediaDevices) throw Object.assign(new Error(), { name: "Insecure" });
    const video = deviceId ? { ...constraints.video, facingMode: undefined, deviceId: { exact: deviceId } } : constraints.video;
    return navigator.mediaDevices.getUserMedia({ audio: false, video });
  }

  async cameras() {
    const all = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    return all.filter((device) => device.kind === "videoinput");
  }

  /** Offer each new frame once, until something else is opened. @param {number} attempt */
  watch(attempt) {
    const video = this.video;
    let last = -1;
    const onFrame = () => {
      if (attempt !== this.opening) return;
      try {
        if (exact || video.currentTime !== last) this.offer();
      } catch {
        return this.fail("Kernel"); // its end of the line is closed
      }
      last = video.currentTime;
      next();
    };
    // Firefox before 132 cannot tell when a frame is new; there, the video's clock does.
    const exact = typeof video.requestVideoFrameCallback === "function";
    const next = () => (exact ? video.requestVideoFrameCallback(onFrame) : requestAnimationFrame(onFrame));
    if (!this.ours) this.offer(); // a still stream has shown its only frame already
    next();
  }

  offer() {
    const now = performance.now();
    if (this.model.get("frozen") || !this.visible()) return;
    this.offered += 1;
    this.fresh = now;
    for (const [sequence, sent] of this.inFlight) if (now - sent > ACK_MS) this.inFlight.delete(sequence);
    if (this.inFlight.size < IN_FLIGHT) this.pass();
    else if (now - this.answered > ABANDON_MS) this.fail("Kernel");
  }

  /** Send the frame that the video shows, if it was not sent yet. */
  pass() {
    if (!this.fresh || this.model.get("frozen") || !this.busy) return;
    this.grab(this.video, this.mirrored, false, this.fresh);
    this.fresh = 0;
  }

  /** A camera shows people as they know themselves; nothing else is mirrored. */
  get mirrored() {
    return this.ours && this.model.get("mirror");
  }

  visible() {
    return !document.hidden && [...this.views].some((view) => view.el.checkVisibility());
  }

  /** Crop the centre, resize, send. @param {CanvasImageSource} source @param {boolean} mirror @param {boolean} held no other follows @param {number} [since] when it came */
  grab(source, mirror, held, since = performance.now()) {
    const [height, width] = this.model.get("size");
    const captured = performance.timeOrigin + since;
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    cover(this.pixels, source, mirror, this.model.get("margin"));
    const { data } = this.pixels.getImageData(0, 0, width, height);
    const sequence = ++this.sequence;
    this.inFlight.set(sequence, performance.now());
    const dropped = this.offered - sequence;
    this.model.send({ kind: "frame", sequence, captured, dropped: Math.max(0, dropped), width, height, held }, undefined, [data.buffer]);
    // A frame that is large enough is shown as it was sent: every look at the video converts its colours again.
    const sent = Math.min(width, height) >= PREVIEW / 2;
    for (const { preview } of this.views) {
      if (sent) paint(preview, this.canvas, false, width / height, 1);
      else paint(preview, source, mirror, width / height, this.model.get("margin"));
    }
  }

  /** @param {any} message */
  receive(message) {
    if (message.kind !== "ack") return;
    this.inFlight.delete(message.sequence);
    this.answered = performance.now();
    if (this.inFlight.size < IN_FLIGHT) this.pass(); // a frame that came meanwhile need not wait for the next one
  }

  freeze() {
    if (this.model.get("state") === "live" && this.model.get("frozen")) {
      // One last frame, so that what is frozen on the left is what the maps on the right were made of.
      this.inFlight.clear();
      this.video.pause();
      this.grab(this.video, this.mirrored, true);
    } else if (this.model.get("state") === "live") this.video.play();
    this.update();
  }

  /** @param {File} file */
  async useFile(file) {
    if (file.type.startsWith("video/")) return this.open(undefined, file);
    try {
      const bitmap = await createImageBitmap(file);
      this.stop();
      this.still = bitmap;
      this.set({ message: "" });
      this.grab(bitmap, false, true);
    } catch {
      this.set({ message: MESSAGES.Picture, details: "" });
    }
  }

  /** The picture that the kernel chose: it has gone through the network there already. */
  async showPicture() {
    const view = this.model.get("picture");
    if (!view?.byteLength) return;
    this.still = await createImageBitmap(new Blob([view]));
    this.repaint();
  }

  repaint() {
    const [height, width] = this.model.get("size");
    const live = Boolean(this.stream);
    const source = live ? this.video : this.still;
    if (source) for (const { preview } of this.views) paint(preview, source, live && this.mirrored, width / height, this.model.get("margin"));
  }

  release() {
    this.opening += 1;
    this.busy = false;
    if (this.stream && this.ours) end(this.stream);
    this.video.pause();
    if (this.video.src) URL.revokeObjectURL(this.video.src);
    this.video.srcObject = this.stream = null;
    this.video.removeAttribute("src");
    this.inFlight.clear();
    this.fresh = 0;
  }

  stop() {
    const state = this.model.get("state");
    if (this.stream) this.still = copy(this.video, this.mirrored);
    this.release();
    if (state !== "stopped" || this.model.get("running")) this.set({ state: "stopped", running: false, frozen: false });
  }

  /** @param {string} name */
  fail(name) {
    this.stop();
    this.set({ details: "", message: MESSAGES[name] ?? `The camera could not be opened (${name}). Press Camera to try again, or use Picture.` });
  }

  abandon() {
    if (this.model.get("state") === "live") this.fail("Kernel");
  }

  close() {
    window.removeEventListener("pagehide", this.onHide);
    this.release();
  }
}

/** @param {MediaStream} stream */
const end = (stream) => stream.getTracks().forEach((track) => track.stop());

/** @param {any} source @returns {[number, number]} */
const sizeOf = (source) => [source.videoWidth || source.width, source.videoHeight || source.height];

/** Fill a canvas with the centre of a source, less a margin. @param {CanvasRenderingContext2D} context @param {CanvasImageSource} source @param {boolean} mirror @param {number} margin */
const cover = (context, source, mirror, margin) => {
  const { width, height } = context.canvas;
  const [wide, tall] = sizeOf(source);
  const scale = Math.min(wide / width, tall / height) / margin;
  const [w, h] = [width * scale, height * scale];
  context.setTransform(mirror ? -1 : 1, 0, 0, 1, mirror ? width : 0, 0);
  context.drawImage(source, (wide - w) / 2, (tall - h) / 2, w, h, 0, 0, width, height);
};

/** @param {HTMLCanvasElement} canvas @param {CanvasImageSource} source @param {boolean} mirror @param {number} aspect @param {number} margin */
const paint = (canvas, source, mirror, aspect, margin) => {
  const [width, height] = aspect > 1 ? [PREVIEW, Math.round(PREVIEW / aspect)] : [Math.round(PREVIEW * aspect), PREVIEW];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  cover(/** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")), source, mirror, margin);
};

/** @param {HTMLVideoElement} video @param {boolean} mirror */
const copy = (video, mirror) => {
  const canvas = Object.assign(document.createElement("canvas"), { width: video.videoWidth, height: video.videoHeight });
  if (canvas.width) cover(/** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")), video, mirror, 1);
  return canvas;
};

/** One view of a pump. @param {Pump} pump @param {Model} model @param {HTMLElement} el */
const render = (pump, model, el) => {
  const preview = /** @type {HTMLCanvasElement} */ (element("canvas", { className: "dv-preview" }));
  preview.setAttribute("role", "img");
  const camera = element("button", { onclick: () => (model.get("running") ? pump.stop() : pump.open()) });
  const freeze = element("button", { onclick: () => pump.set({ frozen: !model.get("frozen") }) });
  const file = element("input", { type: "file", accept: "image/*,video/*", hidden: true });
  const picture = element("button", { textContent: "Picture…", title: "Show a picture or a video file (or drop one here)", onclick: () => file.click() });
  const device = /** @type {HTMLSelectElement} */ (element("select", { title: "Which camera", ariaLabel: "Which camera" }));
  const [words, trace] = [element("span"), element("pre")];
  const details = element("details", {}, element("summary", { textContent: "details" }), trace);
  const message = element("div", { className: "dv-message" }, words, details);
  message.setAttribute("role", "alert");
  const pane = element("div", { className: "dv-input" }, preview, message); // over the picture it concerns: nothing moves
  el.classList.add("dv-pump");
  el.append(pane, element("div", { className: "dv-bar" }, camera, freeze, picture, file), device);

  const take = (/** @type {FileList | null | undefined} */ files) => files?.[0] && pump.useFile(files[0]);
  file.onchange = () => take(/** @type {HTMLInputElement} */ (file).files);
  device.onchange = () => pump.open(device.value);
  pane.ondragover = (event) => event.preventDefault();
  pane.ondrop = (event) => (event.preventDefault(), take(event.dataTransfer?.files));
  el.onkeydown = (event) => event.key === "f" && model.get("running") && pump.set({ frozen: !model.get("frozen") });

  const update = () => {
    const [state, frozen, running] = [model.get("state"), model.get("frozen"), model.get("running")];
    const [height, width] = model.get("size");
    el.dataset.state = frozen ? "frozen" : state;
    pane.style.aspectRatio = `${width} / ${height}`;
    camera.textContent = running || state === "opening" ? "■ Stop" : "● Camera";
    camera.title = running ? "Stop: the camera goes off" : "Open the camera; frames go to your kernel and nowhere else";
    freeze.textContent = frozen ? "❄ Frozen" : "❄ Freeze";
    freeze.title = "Hold the present frame (f)";
    freeze.ariaPressed = String(frozen);
    /** @type {HTMLButtonElement} */ (freeze).disabled = state !== "live";
    preview.ariaLabel = state === "live" ? "What the camera sees" : "The picture that the network sees";
    words.textContent = model.get("message");
    message.hidden = !words.textContent;
    trace.textContent = model.get("details");
    details.hidden = !trace.textContent;
    const now = pump.stream?.getVideoTracks()[0]?.getSettings().deviceId;
    device.hidden = pump.devices.length < 2;
    device.replaceChildren(...pump.devices.map((each, i) => new Option(each.label || `camera ${i + 1}`, each.deviceId, false, each.deviceId === now)));
  };
  const view = { el, preview, update };
  pump.views.add(view);
  update();
  pump.repaint();
  return () => {
    pump.views.delete(view);
    // A cleared output, a closed notebook, a cell run again: nobody can see the camera's picture, so nobody wants it on.
    if (!pump.views.size) setTimeout(() => pump.views.size || pump.stop(), 0);
  };
};

export default () => {
  /** @type {Pump} */ let pump;
  return {
    /** @param {{model: Model}} context */
    initialize({ model }) {
      pump = new Pump(model);
      return () => pump.close();
    },
    /** @param {{model: Model, el: HTMLElement}} context */
    render: ({ model, el }) => render(pump, model, el),
  };
};
