// @ts-check
// The controls above a lab's gallery: what to search, run and stop, how far it is, and how results are sorted and filtered.

/** @typedef {import("@anywidget/types").AnyModel} Model */

const NUMBERS = /** @type {Record<string, [number, number, string]>} */ ({
  rungs: [2, 50, "How many strengths, off included"],
  side: [2, 15, "How many strengths of each prior"],
  count: [1, 3000, "How many combinations; the paper tried 300"],
  seed: [0, 2147483648, "The same seed draws the same combinations"],
  steps: [1, 10000, "How many steps each picture takes"],
});
const MODES = /** @type {Record<string, [string, string]>} */ ({
  ladder: ["Ladder", "One prior from off to strong, the others as their sliders say"],
  plane: ["Plane", "Two priors, each strength of one with each of the other"],
  random: ["Random", "Random combinations of all priors"],
});

/** @param {string} tag @param {Record<string, any>} properties @param {(Node | string)[]} children */
const element = (tag, properties = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
};

/** @param {string} name */
const words = (name) => name.replaceAll("_", " ");

/** @param {string} text */
const label = (text, /** @type {(Node | string)[]} */ ...children) => element("label", {}, element("span", { textContent: text }), ...children);

/** @param {{model: Model, el: HTMLElement}} context */
const render = ({ model, el }) => {
  /** @type {[string, () => void][]} */ const watched = [];
  /** @param {string} names @param {() => void} update */
  const watch = (names, update) => {
    const events = names.split(" ").map((name) => `change:${name}`).join(" ");
    model.on(events, update);
    watched.push([events, update]);
    update();
  };
  const set = (/** @type {string} */ name, /** @type {any} */ value) => {
    model.set(name, value);
    model.set("message", "");
    model.save_changes();
  };
  const refuse = (/** @type {string} */ sentence) => (model.set("message", sentence), model.save_changes());

  /** @param {string} name @param {string} title @param {() => [string, string, string][]} options value, text, title */
  const choice = (name, title, options, from = "") => {
    const select = /** @type {HTMLSelectElement} */ (element("select", { title, ariaLabel: title }));
    select.onchange = () => set(name, select.value);
    watch(from || name, () => {
      select.replaceChildren(...options().map(([value, text, about]) => Object.assign(new Option(text, value), { title: about })));
      select.value = model.get(name);
    });
    watch(name, () => (select.value = model.get(name)));
    select.dataset.name = name;
    return select;
  };
  /** @param {string} name */
  const number = (name) => {
    const [low, high, title] = NUMBERS[name];
    const input = /** @type {HTMLInputElement} */ (element("input", { type: "text", inputMode: "numeric", autocomplete: "off", title, ariaLabel: `${name}: ${title}` }));
    input.dataset.name = name;
    input.onchange = () => {
      const value = Number(input.value.trim() || NaN);
      if (Number.isInteger(value) && value >= low && value <= high) set(name, value);
      else refuse(`${name} must be a whole number from ${low} to ${high}, not “${input.value}”; it stays ${model.get(name)}.`);
      input.value = model.get(name);
    };
    watch(name, () => (input.value = model.get(name)));
    return input;
  };

  const priors = () => model.get("priors").map((/** @type {[string, string]} */ [name, about]) => [name, words(name), about]);
  const names = element("datalist", { id: `dv-units-${Math.random().toString(36).slice(2)}` });
  const unit = /** @type {HTMLInputElement} */ (element("input", { type: "text", autocomplete: "off", title: "The unit's number, or its name where it has one", ariaLabel: "Unit" }));
  unit.setAttribute("list", names.id);
  unit.dataset.name = "unit";
  unit.onchange = () => set("unit", unit.value);
  watch("unit", () => (unit.value = model.get("unit")));
  watch("unit_names", () => names.replaceChildren(...model.get("unit_names").map((/** @type {string} */ name) => new Option("", name))));

  const modes = element("span", { className: "dv-modes", ariaLabel: "What to search" });
  modes.setAttribute("role", "radiogroup");
  watch("mode modes", () => {
    const focused = modes.contains(document.activeElement);
    modes.replaceChildren(
      ...model.get("modes").map((/** @type {string} */ mode) => {
        const [textContent, title] = MODES[mode];
        const chosen = mode === model.get("mode");
        const button = element("button", { textContent, title, tabIndex: chosen ? 0 : -1, ariaChecked: String(chosen), onclick: () => set("mode", mode) });
        button.setAttribute("role", "radio");
        return button;
      }),
    );
    if (focused) /** @type {HTMLElement | null} */ (modes.querySelector("[aria-checked=true]"))?.focus();
  });
  modes.onkeydown = (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const all = model.get("modes");
    if (step) set("mode", all[(all.indexOf(model.get("mode")) + step + all.length) % all.length]);
  };

  const first = label("prior", choice("first", "The prior whose strength varies", priors, "priors"));
  const fields = {
    second: label("against", choice("second", "The other prior", priors, "priors")),
    rungs: label("strengths", number("rungs")),
    side: label("strengths each", number("side")),
    count: label("combinations", number("count")),
    seed: label("seed", number("seed")),
  };
  watch("mode", () => {
    const mode = model.get("mode");
    first.hidden = mode === "random";
    fields.second.hidden = fields.side.hidden = mode !== "plane";
    fields.rungs.hidden = mode !== "ladder";
    fields.count.hidden = fields.seed.hidden = mode !== "random";
  });

  const press = (/** @type {string} */ kind) => () => model.send({ kind });
  const run = element("button", { className: "dv-run", title: "Make the pictures" });
  const pause = /** @type {HTMLButtonElement} */ (element("button", {}));
  const stop = /** @type {HTMLButtonElement} */ (element("button", { textContent: "■ Stop", title: "End now and keep what is there", onclick: press("stop") }));
  const progress = /** @type {HTMLProgressElement} */ (element("progress", { max: 1, ariaLabel: "Progress" }));
  const note = element("span", { className: "dv-note" });
  watch("state", () => {
    const state = model.get("state");
    const [active, paused] = [state === "running" || state === "paused", state === "paused"];
    run.textContent = active ? "↺ Restart" : "▶ Run";
    run.onclick = press("run");
    pause.textContent = paused ? "▶ Continue" : "❚❚ Pause";
    pause.title = paused ? "Go on" : "Hold before the next step";
    pause.onclick = press(paused ? "resume" : "pause");
    pause.disabled = stop.disabled = !active;
    el.dataset.state = state;
  });
  watch("share", () => (progress.value = model.get("share")));
  watch("note", () => (note.textContent = model.get("note")));

  const sorts = () => [["as swept", "as swept", ""], ...model.get("scores").map((/** @type {string} */ name) => [name, words(name), ""])];
  const direction = element("button", { className: "dv-direction" });
  direction.onclick = () => set("descending", !model.get("descending"));
  watch("descending sort", () => {
    const down = model.get("descending");
    direction.textContent = down ? "↓" : "↑";
    direction.title = direction.ariaLabel = down ? "Highest first" : "Lowest first";
    direction.style.visibility = model.get("sort") === "as swept" ? "hidden" : "visible";
  });
  const shown = element("span", { className: "dv-note" });
  watch("shown", () => (shown.textContent = model.get("shown")));

  const limits = element("div", { className: "dv-limits" });
  const summary = element("summary");
  /** @param {string} score @param {number} end */
  const limit = (score, end) => {
    const input = /** @type {HTMLInputElement} */ (element("input", { type: "text", inputMode: "decimal", autocomplete: "off", placeholder: "any" }));
    input.ariaLabel = `${words(score)}, ${end ? "at most" : "at least"}`;
    input.dataset.limit = `${score} ${end}`;
    const show = () => (input.value = String(model.get("filters")[score]?.[end] ?? ""));
    input.onchange = () => {
      const text = input.value.trim();
      const value = text === "" || text === "any" ? null : Number(text.replace(",", "."));
      if (value !== null && !Number.isFinite(value)) {
        refuse(`${words(score)} is filtered by a number, not “${text}”.`);
        return show();
      }
      const pair = [...(model.get("filters")[score] ?? [null, null])];
      pair[end] = value;
      const { [score]: _, ...others } = model.get("filters");
      return set("filters", pair.some((each) => each !== null) ? { ...others, [score]: pair } : others);
    };
    watch("filters", show);
    return input;
  };
  for (const score of model.get("scores")) limits.append(element("span", {}, element("span", { textContent: words(score) }), limit(score, 0), "to", limit(score, 1)));
  watch("filters", () => {
    const count = Object.keys(model.get("filters")).length;
    summary.textContent = count ? `filter (${count})` : "filter";
  });
  const message = element("p", { className: "dv-words" });
  const traceback = element("pre");
  const details = element("details", {}, element("summary", { textContent: "details" }), traceback);
  const alert = element("div", { className: "dv-message" }, message, details);
  alert.setAttribute("role", "alert");
  watch("message details", () => {
    message.textContent = model.get("message");
    traceback.textContent = model.get("details");
    alert.hidden = !message.textContent;
    details.hidden = !traceback.textContent;
  });

  const layer = choice("layer", "Layer", () => model.get("layers").map((/** @type {string} */ name) => [name, name, ""]), "layers");
  const title = element("span", { className: "dv-title" });
  watch("title", () => (title.textContent = model.get("title")));
  el.classList.add("dv-lab-panel");
  el.append(
    element("div", { className: "dv-row" }, title, label("layer", layer), label("unit", unit, names), label("steps", number("steps"))),
    element("div", { className: "dv-row" }, modes, first, ...Object.values(fields)),
    element("div", { className: "dv-row" }, run, pause, stop, progress, note),
    alert,
    element("div", { className: "dv-row" }, label("sort", choice("sort", "Sort by", /** @type {any} */ (sorts), "scores")), direction, element("details", { className: "dv-filter" }, summary, limits), shown),
  );
  el.onkeydown = (event) => event.stopPropagation(); // the notebook has its own use for keys
  model.send({ kind: "hello" });
  return () => {
    for (const [events, update] of watched) model.off(events, update);
  };
};

export default { render };
