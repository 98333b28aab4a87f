"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { analysis, treemap, causes, fixesZh } = data;
  const words = {
    en: {
      other: "中文", size: "files in all layers", compressed: "compressed, as stored and sent", waste: "waste: seen by no container",
      optional: "seen, but perhaps not needed", efficiency: "efficiency", visible: "seen", hidden: "seen by no container", rest: "needed",
      map: "Where the bytes are", mapHelp: "Click an area to go into it, the path to come back.", byLayer: "by layer", byCause: "by cause",
      saved: "What could be saved", cause: "Cause", bytes: "Bytes", part: "Part", about: "Compressed, about", files: "Files", kind: "Kind",
      isWaste: "waste", isOptional: "optional", where: "Where", inLayer: "in layer", by: "hidden by layer", fix: "Fix: ", as: "same as",
      layers: "Layers", layer: "Layer", comp: "Compressed", hid: "Hidden", wastes: "Wastes", step: "Step", base: "base", largest: "Largest files",
      path: "Path", more: "more", none: "Nothing: every byte is seen, and nothing of it looks superfluous.", noStep: "(no history)", small: "small ones",
      baseIs: "built on", own: "its own layers", baseLayers: "layers of the base", foot: "Made by kiln analyze. Sizes are of file contents; compressed parts are told in proportion.",
    },
    zh: {
      other: "English", size: "所有层的文件", compressed: "压缩后，存储和传输的大小", waste: "浪费：任何容器都看不到",
      optional: "可见，但也许不需要", efficiency: "效率", visible: "可见", hidden: "任何容器都看不到", rest: "需要的",
      map: "字节在哪里", mapHelp: "点击区域进入，点击路径返回。", byLayer: "按层", byCause: "按原因",
      saved: "可以节省什么", cause: "原因", bytes: "大小", part: "占比", about: "压缩后约", files: "文件数", kind: "类别",
      isWaste: "浪费", isOptional: "可选", where: "在哪里", inLayer: "位于第", by: "被遮住于第", fix: "办法：", as: "内容同",
      layers: "各层", layer: "层", comp: "压缩后", hid: "不可见", wastes: "造成浪费", step: "步骤", base: "基础", largest: "最大的文件",
      path: "路径", more: "更多", none: "没有：每个字节都可见，也没有看起来多余的内容。", noStep: "（无历史）", small: "较小的若干项",
      baseIs: "基础镜像", own: "自己的层", baseLayers: "基础镜像的层", foot: "由 kiln analyze 生成。大小为文件内容；压缩后的大小按比例估算。",
    },
  };
  let language = (navigator.language || "").startsWith("zh") ? "zh" : "en";
  if (location.hash === "#zh" || location.hash === "#en") language = location.hash.slice(1);
  let mode = "cause";
  let trail = [];
  let shown = 20;
  const t = (key) => words[language][key];
  const page = document.getElementById("page");

  const el = (name, attributes = {}, ...children) => {
    const svg = ["svg", "g", "rect", "title", "text"].includes(name);
    const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
      else if (key === "style") node.style.cssText = value;
      else node.setAttribute(key, value);
    }
    for (const child of children.flat()) if (child !== null && child !== undefined) node.append(child);
    return node;
  };
  const bytes = (n) => {
    const units = ["B", "kB", "MB", "GB", "TB", "PB"];
    let unit = 0;
    while (n >= 999.5 && unit + 1 < units.length) { n /= 1000; unit += 1; }
    return `${n.toFixed(unit === 0 || n >= 99.95 ? 0 : 1)} ${units[unit]}`;
  };
  const number = (n) => n.toLocaleString("en-US");
  const percent = (part, whole) => {
    const value = whole ? (part * 100) / whole : 0;
    return part > 0 && value < 0.1 ? "<0.1 %" : `${value.toFixed(1)} %`;
  };
  const cut = (text, most) => ([...text].length > most ? [...text].slice(0, most - 1).join("") + "…" : text);
  const layerName = (n) => (language === "zh" ? `第 ${n} 层` : `layer ${n}`);
  const stepOf = (n) => analysis.layers[n].step || t("noStep");
  const isWaste = (cause) => analysis.causes.some((total) => total.cause === cause && total.waste);
  const layerColor = (n) => (n < (analysis.base ? analysis.base.layers : 0) ? `hsl(215 12% ${42 + (n % 4) * 5}%)` : `hsl(${(210 + n * 47) % 360} 48% 44%)`);
  const causeColor = (cause) => (!cause ? "var(--live)" : isWaste(cause) ? "var(--waste)" : "var(--optional)");

  // Squarified treemaps: Bruls, Huizing, van Wijk, 2000.
  const squarify = (areas, x, y, width, height) => {
    const total = areas.reduce((sum, area) => sum + area.bytes, 0);
    if (!total || width <= 0 || height <= 0) return [];
    const scale = (width * height) / total;
    const placed = [];
    let at = 0;
    while (at < areas.length) {
      const side = Math.min(width, height);
      const worst = (sum, least, most) => Math.max((side * side * most) / (sum * sum), (sum * sum) / (side * side * least));
      let sum = 0, end = at, ratio = Infinity;
      const most = areas[at].bytes * scale;
      while (end < areas.length) {
        const size = areas[end].bytes * scale;
        const next = worst(sum + size, size, most);
        if (next > ratio) break;
        ratio = next; sum += size; end += 1;
      }
      const thick = sum / side;
      let along = 0;
      for (const area of areas.slice(at, end)) {
        const long = (area.bytes * scale) / thick;
        placed.push(width >= height ? { area, x, y: y + along, w: thick, h: long } : { area, x: x + along, y, w: long, h: thick });
        along += long;
      }
      if (width >= height) { x += thick; width -= thick; } else { y += thick; height -= thick; }
      at = end;
    }
    return placed;
  };

  const root = () => ({ name: "", bytes: treemap.visible.bytes + treemap.hidden.bytes, files: 0, inside: [
    { ...treemap.visible, name: t("visible") }, { ...treemap.hidden, name: t("hidden"), isHidden: true },
  ].filter((area) => area.bytes > 0) });
  const here = () => trail.reduce((area, place) => area.inside[place] || area, root());

  const draw = (into, area, box, depth, path) => {
    const places = area.inside || [];
    const head = depth > 0 && box.h > 34 && box.w > 50 && places.length ? 15 : 0;
    const inner = { x: box.x + (depth ? 2 : 0), y: box.y + head + (depth && !head ? 2 : 0), w: box.w - (depth ? 4 : 0), h: box.h - head - (depth ? (head ? 2 : 4) : 0) };
    for (const { area: child, x, y, w, h } of squarify(places, inner.x, inner.y, inner.w, inner.h)) {
      const childPath = [...path, places.indexOf(child)];
      const name = child.name || t("small");
      const color = mode === "layer" ? layerColor(child.layer) : causeColor(child.cause);
      const about = [name, bytes(child.bytes), child.files ? `${t("files")}: ${number(child.files)}` : "", layerName(child.layer), child.cause ? causes[child.cause][language][0] : ""];
      const enter = (event) => { event.stopPropagation(); if ((child.inside || []).length) { trail = childPath; render(); } };
      const group = el("g", { tabindex: "0", role: "button", "aria-label": about.filter(Boolean).join(", "), onclick: enter, onkeydown: (event) => { if (event.key === "Enter") enter(event); } },
        el("rect", { x, y, width: Math.max(w, 0), height: Math.max(h, 0), style: `fill: ${color}; fill-opacity: ${(child.inside || []).length ? 0.55 : 0.9}` }),
        el("title", {}, about.filter(Boolean).join("\n")));
      if (w > 46 && h > 15) group.append(el("text", { x: x + 4, y: y + 12 }, cut(`${name}  ${bytes(child.bytes)}`, Math.floor((w - 8) / 6.8))));
      into.append(group);
      if (w > 24 && h > 24 && depth < 6) draw(group, child, { x, y, w, h }, depth + 1, childPath);
    }
  };

  const crumbs = () => {
    const line = el("div", { class: "crumbs" });
    let area = root();
    line.append(el("button", { onclick: () => { trail = []; render(); } }, analysis.name));
    trail.forEach((place, depth) => {
      area = area.inside[place];
      line.append(" / ", el("button", { onclick: () => { trail = trail.slice(0, depth + 1); render(); } }, area.name || t("small")));
    });
    line.append(`  ${bytes(here().bytes)}`);
    return line;
  };

  const row = (kind, cells, numeric) => el("tr", {}, cells.map((cell, at) => el(kind, numeric.includes(at) ? { class: "n" } : {}, cell)));
  const table = (heading, rows, numeric) => el("div", { class: "scroll" }, el("table", {}, el("thead", {}, row("th", heading, numeric)), el("tbody", {}, rows.map((cells) => row("td", cells, numeric)))));

  const finding = (found, at) => {
    const place = language === "zh"
      ? `${t("inLayer")} ${found.layer} 层` + (found.by === found.layer ? "" : `，${t("by")} ${found.by} 层`)
      : `${t("inLayer")} ${found.layer}` + (found.by === found.layer ? "" : `, ${t("by")} ${found.by}`);
    return el("div", { class: isWaste(found.cause) ? "finding" : "finding optional" },
      el("p", {}, el("b", {}, bytes(found.bytes)), `  ${causes[found.cause][language][0]} — ${place} · ${t("files")}: ${number(found.files)}`),
      el("p", {}, el("code", {}, cut(stepOf(found.by), 200))),
      el("ul", {}, found.examples.map((example) => el("li", {}, el("code", {}, `/${example.path}`), `  ${bytes(example.bytes)}`, example.same_as ? `  ${t("as")} /${example.same_as}` : ""))),
      el("p", { class: "fix" }, t("fix"), language === "zh" ? fixesZh[at] : found.fix));
  };

  const render = () => {
    document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
    const stored = analysis.stored.bytes;
    const rest = stored - analysis.waste.bytes - analysis.optional.bytes;
    const card = (value, text) => el("div", { class: "card" }, el("b", {}, value), el("span", {}, text));
    const strip = (part, color) => el("i", { style: `width: ${stored ? (part * 100) / stored : 0}%; background: ${color}` });
    const key = (color, text) => el("span", {}, el("i", { style: `background: ${color}` }), text);
    const svg = el("svg", { viewBox: "0 0 1140 520", role: "img", "aria-label": t("map") });
    draw(svg, here(), { x: 0, y: 0, w: 1140, h: 520 }, 0, trail);
    const choose = (name, text) => el("button", { "aria-pressed": String(mode === name), onclick: () => { mode = name; render(); } }, text);
    const base = analysis.base && analysis.parts ? [
      el("p", { class: "meta" }, `${t("baseIs")}: ${analysis.base.name} — ${t("baseLayers")}: ${analysis.base.layers}, ${bytes(analysis.parts.base.stored.bytes)} (${t("comp")} ${bytes(analysis.parts.base.compressed)}); ${t("own")}: ${bytes(analysis.parts.own.stored.bytes)} (${t("comp")} ${bytes(analysis.parts.own.compressed)}), ${t("isWaste")} ${bytes(analysis.parts.own.waste.bytes)}`),
    ] : [];
    page.replaceChildren(
      el("header", {}, el("h1", {}, analysis.name), el("button", { onclick: () => { language = language === "en" ? "zh" : "en"; render(); } }, t("other"))),
      el("div", { class: "meta" }, `${analysis.platform} · ${analysis.digest}`),
      el("div", { class: "cards" },
        card(bytes(stored), `${t("size")}: ${number(analysis.stored.files)}`), card(bytes(analysis.compressed), t("compressed")),
        card(`${(analysis.efficiency * 100).toFixed(1)} %`, t("efficiency")), card(bytes(analysis.waste.bytes), t("waste")), card(bytes(analysis.optional.bytes), t("optional"))),
      el("div", { class: "bar" }, strip(rest, "var(--live)"), strip(analysis.optional.bytes, "var(--optional)"), strip(analysis.waste.bytes, "var(--waste)")),
      el("div", { class: "legend" }, key("var(--live)", `${t("rest")} ${percent(rest, stored)}`), key("var(--optional)", `${t("isOptional")} ${percent(analysis.optional.bytes, stored)}`), key("var(--waste)", `${t("isWaste")} ${percent(analysis.waste.bytes, stored)}`)),
      ...base,
      el("h2", {}, t("map")),
      el("div", { class: "tools" }, crumbs(), choose("layer", t("byLayer")), choose("cause", t("byCause"))),
      el("div", { class: "map" }, svg), el("p", { class: "meta" }, t("mapHelp")),
      el("h2", {}, t("saved")),
      analysis.causes.length ? table([t("cause"), t("bytes"), t("part"), t("about"), t("files"), t("kind")], analysis.causes.map((total) => [
        el("span", {}, el("i", { style: `background: ${causeColor(total.cause)}` }), causes[total.cause][language][0]), bytes(total.bytes), percent(total.bytes, stored), bytes(total.compressed), number(total.files), t(total.waste ? "isWaste" : "isOptional")]), [1, 2, 3, 4]) : el("p", {}, t("none")),
      ...(analysis.findings.length ? [el("h2", {}, t("where")), ...analysis.findings.slice(0, shown).map(finding)] : []),
      analysis.findings.length > shown ? el("button", { onclick: () => { shown += 50; render(); } }, `${analysis.findings.length - shown} ${t("more")}`) : "",
      el("h2", {}, t("layers")),
      table([t("layer"), t("bytes"), t("comp"), t("files"), t("hid"), t("wastes"), t("step")], analysis.layers.map((layer) => [
        el("span", {}, el("i", { style: `background: ${layerColor(layer.number)}` }), `${layer.number}${layer.from_base ? ` ${t("base")}` : ""}`), bytes(layer.stored.bytes), bytes(layer.compressed), number(layer.stored.files), bytes(layer.hidden.bytes), bytes(layer.wastes.bytes), el("code", {}, cut(layer.step || t("noStep"), 300))]), [1, 2, 3, 4, 5]),
      el("h2", {}, t("largest")),
      table([t("path"), t("bytes"), t("layer")], analysis.largest.map((file) => [el("code", {}, `/${file.path}`), bytes(file.bytes), String(file.layer)]), [1, 2]),
      el("footer", {}, t("foot")));
  };
  render();
})();
