// The page's side of picture.py: shows image bytes without a flicker, hears clicks, painting and keys, and says to a
// screen reader what is shown.

const KEYS = new Set([
  "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "PageUp", "PageDown", "Home", "End", "Enter",
]);
const PATIENCE = 300; // ms: how long painting and a held key wait for the picture of what they said before
const QUIET = 700; // ms without change before a screen reader is told: a slider that moves must not chatter

let views = 0;

function add(parent, tag, name, attributes = {}) {
  const node = document.createElement(tag);
  node.className = name;
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return parent.appendChild(node);
}

function render({ model, el }) {
  const id = `mvkit-said-${++views}`;
  const view = add(el, "div", "mvkit-view");
  const picture = add(view, "div", "mvkit-picture", {
    tabindex: "0",
    role: "application", // arrow keys go to the picture, not to the reader's own cursor
    "aria-roledescription": "interactive picture",
    "aria-describedby": id,
    "data-lm-suppress-shortcuts": "true", // and not to JupyterLab
    "data-version": "0",
  });
  const said = add(view, "div", "mvkit-said", { id, role: "status", "aria-live": "polite" });
  const error = add(view, "div", "mvkit-error", { role: "alert" });
  const told = add(view, "div", "mvkit-told", { role: "status" });
  const facts = add(view, "table", "mvkit-facts");
  const code = add(view, "div", "mvkit-code", { "data-lm-suppress-shortcuts": "true" });
  const line = add(code, "pre", "");
  const copy = add(code, "button", "", { type: "button" });

  let image = picture.appendChild(new Image());
  let shown = 0;
  let waiting = 0;
  let speech = 0;
  let stroke = [];
  let pressed = null;

  async function show() {
    const version = model.get("version");
    const bytes = model.get("data");
    waiting = 0;
    paint();
    if (!bytes?.byteLength) return;
    const next = new Image();
    next.alt = model.get("alt");
    next.draggable = false;
    next.src = URL.createObjectURL(new Blob([bytes]));
    await next.decode();
    if (version < shown) return URL.revokeObjectURL(next.src); // a newer one was decoded first
    shown = version;
    image.replaceWith(next);
    URL.revokeObjectURL(image.src);
    image = next;
    requestAnimationFrame(() => {
      // A message posted in a frame arrives after that frame has been painted.
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        picture.dataset.version = shown;
        port1.close();
      };
      port2.postMessage(null);
    });
  }

  function tell() {
    picture.setAttribute("aria-label", [model.get("title"), model.get("hint")].filter(Boolean).join(". "));
    picture.classList.toggle("mvkit-paints", model.get("paints"));
    error.textContent = model.get("error");
    told.textContent = model.get("told");
    line.textContent = model.get("code");
    code.style.display = model.get("code") ? "" : "none";
    copy.textContent = "Copy";
    const rows = model.get("facts");
    while (facts.rows.length > rows.length) facts.deleteRow(-1);
    rows.forEach(([label, text], number) => {
      const row = facts.rows[number] ?? facts.insertRow();
      if (!row.cells.length) {
        add(row, "th", "", { scope: "row" });
        row.insertCell();
      }
      row.cells[0].textContent = label;
      row.cells[1].textContent = text;
    });
    clearTimeout(speech);
    speech = setTimeout(() => (said.textContent = model.get("alt")), QUIET);
  }

  function at(event) {
    const box = image.getBoundingClientRect();
    const along = ((event.clientX - box.left) / box.width) * image.naturalWidth;
    const down = ((event.clientY - box.top) / box.height) * image.naturalHeight;
    const inside = (value, size) => Math.min(Math.max(Math.floor(value), 0), size - 1);
    return [inside(along, image.naturalWidth), inside(down, image.naturalHeight)];
  }

  const busy = () => performance.now() - waiting < PATIENCE;

  function paint() {
    if (!stroke.length || busy()) return;
    model.send({ type: "drag", points: stroke });
    stroke = [];
    waiting = performance.now();
    setTimeout(paint, PATIENCE + 1);
  }

  picture.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !image.naturalWidth) return;
    pressed = at(event);
    if (model.get("paints")) picture.setPointerCapture(event.pointerId);
  });
  picture.addEventListener("pointermove", (event) => {
    if (!pressed || !model.get("paints")) return;
    const point = at(event);
    if (pressed !== true) {
      if (Math.hypot(point[0] - pressed[0], point[1] - pressed[1]) < 4) return;
      stroke.push(pressed);
      pressed = true; // it has become a stroke
    }
    stroke.push(point);
    paint();
  });
  picture.addEventListener("pointerup", (event) => {
    if (Array.isArray(pressed)) {
      const [x, y] = at(event);
      model.send({ type: "click", x, y });
    }
    pressed = null;
  });
  picture.addEventListener("pointercancel", () => (pressed = null));
  picture.addEventListener("keydown", (event) => {
    if (!KEYS.has(event.key) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.repeat && busy()) return; // a held key goes as fast as pictures come
    waiting = performance.now();
    model.send({ type: "key", name: event.key });
  });
  copy.addEventListener("click", async () => {
    const range = document.createRange();
    range.selectNodeContents(line);
    getSelection().removeAllRanges();
    getSelection().addRange(range); // where the clipboard is closed to us, the selection is there to copy
    try {
      await navigator.clipboard.writeText(line.textContent);
      copy.textContent = "Copied";
    } catch {
      copy.textContent = document.execCommand("copy") ? "Copied" : "Selected: press Ctrl+C";
    }
  });

  // The handles of ipywidgets' sliders have no name for a screen reader; their label stands beside them.
  const names = new MutationObserver(nameSliders);
  function nameSliders() {
    for (const slider of controls.querySelectorAll(".widget-slider")) {
      const label = slider.querySelector("label")?.textContent;
      for (const handle of slider.querySelectorAll(".noUi-handle")) handle.setAttribute("aria-label", label);
    }
  }
  let controls = null;
  function find() {
    if (!el.isConnected) return requestAnimationFrame(find);
    controls = el.closest(".mvkit-panel")?.querySelector(".mvkit-controls");
    if (!controls) return;
    controls.dataset.lmSuppressShortcuts = "true"; // arrow keys move a slider, not JupyterLab's cursor
    names.observe(controls, { childList: true, subtree: true });
    nameSliders();
  }

  tell();
  show();
  find();
  const seen = "title hint paints alt facts code error told";
  const events = seen.split(" ").map((name) => `change:${name}`).join(" ");
  model.on("change:version", show);
  model.on(events, tell);
  return () => {
    model.off("change:version", show);
    model.off(events, tell);
    names.disconnect();
    clearTimeout(speech);
    URL.revokeObjectURL(image.src);
  };
}

export default { render };
