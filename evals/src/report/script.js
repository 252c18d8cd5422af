"use strict";
// Brings the charts to life: values under the pointer or the arrow keys, smoothing, theme. The page is whole without it.
(() => {
  const root = document.documentElement, controls = document.querySelector(".controls");
  controls.hidden = false;
  const short = v => (Math.abs(v) >= 1e5 || (v !== 0 && Math.abs(v) < 1e-3)) ? v.toExponential(2) : String(+v.toPrecision(4));
  const charts = [...document.querySelectorAll(".plot > svg")].map(svg => {
    const [x0, x1, y0, y1, left, right, top, bottom] = svg.dataset.frame.split(",").map(Number);
    const place = ([x, y]) => [left + (x - x0) / (x1 - x0) * (right - left), bottom - (y - y0) / (y1 - y0) * (bottom - top)];
    const lines = [...svg.querySelectorAll(".series")].map(g => ({
      name: g.dataset.name, few: g.dataset.few === "1", main: g.querySelector(".main"),
      points: g.dataset.xy.split(" ").filter(Boolean).map(p => p.split(",").map(Number)),
    }));
    return { svg, lines, place, frame: { x0, x1, left, right, top, bottom }, tip: svg.nextElementSibling, rule: svg.querySelector(".rule"), at: null };
  });
  const smooth = weight => charts.forEach(chart => chart.lines.filter(l => !l.few).forEach(line => {
    let sum = 0, norm = 0;
    line.main.setAttribute("d", line.points.map(([x, y], i) => {
      sum = weight * sum + y; norm = weight * norm + 1;
      const [px, py] = chart.place([x, sum / norm]);
      return (i ? "L" : "M") + px.toFixed(1) + " " + py.toFixed(1);
    }).join(""));
  }));
  const show = (chart, step) => {
    const all = [...new Set(chart.lines.flatMap(l => l.points.map(p => p[0])))].sort((a, b) => a - b);
    if (!all.length) return;
    chart.at = all.reduce((best, x) => Math.abs(x - step) < Math.abs(best - step) ? x : best, all[0]);
    const near = line => line.points.reduce((best, p) => Math.abs(p[0] - chart.at) < Math.abs(best[0] - chart.at) ? p : best, line.points[0]);
    const [px] = chart.place([chart.at, 0]);
    chart.rule.setAttribute("d", "M" + px.toFixed(1) + " " + chart.frame.top + "V" + chart.frame.bottom);
    chart.tip.textContent = "step " + short(chart.at) + chart.lines.map(l => "\n" + (chart.lines.length > 1 ? l.name + ": " : "") + short(near(l)[1])).join("");
    chart.tip.hidden = false;
    const share = px / 360;
    chart.tip.style.left = share < 0.5 ? (100 * share + 3) + "%" : "auto";
    chart.tip.style.right = share < 0.5 ? "auto" : (100 * (1 - share) + 3) + "%";
  };
  const hide = chart => { chart.tip.hidden = true; chart.rule.setAttribute("d", ""); };
  charts.forEach(chart => {
    const { x0, x1, left, right } = chart.frame;
    chart.svg.addEventListener("pointermove", event => {
      const box = chart.svg.getBoundingClientRect();
      const x = (event.clientX - box.left) / box.width * 360;
      show(chart, x0 + (x - left) / (right - left) * (x1 - x0));
    });
    chart.svg.addEventListener("pointerleave", () => hide(chart));
    chart.svg.addEventListener("blur", () => hide(chart));
    chart.svg.addEventListener("keydown", event => {
      if (event.key === "Escape") return hide(chart);
      const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!way) return;
      event.preventDefault();
      const all = [...new Set(chart.lines.flatMap(l => l.points.map(p => p[0])))].sort((a, b) => a - b);
      const now = chart.at === null ? (way > 0 ? -1 : all.length) : all.indexOf(chart.at);
      show(chart, all[Math.min(all.length - 1, Math.max(0, now + way))]);
    });
  });
  const slider = document.getElementById("smooth"), value = document.getElementById("smooth-value");
  slider.addEventListener("input", () => { value.textContent = (slider.value / 100).toFixed(2); smooth(slider.value / 100); });
  const theme = document.getElementById("theme"), themes = ["system", "light", "dark"];
  let chosen = 0;
  theme.addEventListener("click", () => {
    chosen = (chosen + 1) % 3;
    if (chosen) root.dataset.theme = themes[chosen]; else delete root.dataset.theme;
    theme.textContent = "Theme: " + themes[chosen];
  });
})();
