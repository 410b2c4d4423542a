// Draws the charts of a page from its block of JSON; without this file the tables stand in their place.
const found = document.getElementById("chart-data");
const drawings = found ? JSON.parse(found.textContent) : [];
const PRINT_WIDTH = 640; // A4 less its margins, in CSS pixels
const BAR_HEIGHT = 26;
const LINE_HEIGHT = 240;
const charts = [];

/** Colours and type of the page as it looks now; on paper those of the light one. */
function look() {
  const style = getComputedStyle(document.documentElement);
  const token = (name) => style.getPropertyValue(name).trim();
  return {
    ink: token("--ink"),
    quiet: token("--ink-2"),
    line: token("--line"),
    surface: token("--surface"),
    accent: token("--accent"),
    bad: token("--bad"),
    font: style.fontFamily,
  };
}

function marks(drawing, colours, across) {
  if (!drawing.marks.length) return undefined;
  return {
    symbol: "none",
    silent: true,
    data: drawing.marks.map((mark) => ({
      [across]: mark.value,
      lineStyle: {
        color: mark.limit ? colours.bad : colours.quiet,
        type: mark.limit ? "solid" : "dashed",
        width: mark.limit ? 1.5 : 1,
      },
      label: {
        formatter: mark.label,
        color: mark.limit ? colours.bad : colours.quiet,
        position: across === "xAxis" ? "start" : "insideEndTop", // the top: bars count downwards
        distance: across === "xAxis" ? 4 : 2,
      },
    })),
  };
}

function option(drawing, colours) {
  const bars = drawing.kind === "bars";
  const label = { color: colours.quiet, fontSize: 12 };
  const names = {
    type: "category",
    data: drawing.categories,
    inverse: bars,
    axisLabel: bars ? { ...label, width: 170, overflow: "truncate" } : label,
    axisTick: { show: !bars },
    axisLine: { lineStyle: { color: colours.line } },
  };
  const values = {
    type: "value",
    name: drawing.unit,
    nameTextStyle: label,
    nameLocation: "end",
    min: 0,
    max: drawing.unit === "%" ? 100 : undefined,
    minInterval: drawing.unit === "%" ? undefined : 1,
    axisLabel: label,
    splitLine: { lineStyle: { color: colours.line } },
  };
  const fills = drawing.series.length > 1 ? [colours.quiet, colours.bad] : [colours.accent];
  return {
    animation: false,
    color: fills,
    textStyle: { fontFamily: colours.font, color: colours.ink },
    grid: { left: 8, right: bars ? 64 : 16, top: 34, bottom: 8, containLabel: true },
    legend: drawing.series.length > 1 ? { top: 0, textStyle: label } : { show: false },
    tooltip: {
      trigger: "axis",
      renderMode: "richText", // the page's policy allows no style inside HTML
      axisPointer: { type: bars ? "shadow" : "line" },
      backgroundColor: colours.surface,
      borderColor: colours.line,
      textStyle: { color: colours.ink, fontSize: 13 },
      formatter: (points) =>
        [points[0].axisValue, ...points.map((p) => `${p.seriesName} ${drawing.series[p.seriesIndex].notes[p.dataIndex]}`)].join("\n"),
    },
    xAxis: bars ? values : names,
    yAxis: bars ? names : values,
    series: drawing.series.map((one, place) => ({
      name: one.name,
      type: bars ? "bar" : "line",
      data: one.values,
      stack: drawing.stacked ? "all" : undefined,
      barMaxWidth: 16,
      symbolSize: 5,
      connectNulls: false,
      label: bars && !drawing.stacked ? { show: true, position: "right", color: colours.ink, formatter: (p) => one.labels[p.dataIndex] } : undefined,
      markLine: place === 0 ? marks(drawing, colours, bars ? "xAxis" : "yAxis") : undefined,
    })),
  };
}

function draw() {
  const colours = look();
  for (const { chart, drawing } of charts) chart.setOption(option(drawing, colours), true);
}

function set(box, drawing) {
  const bars = drawing.kind === "bars";
  box.style.height = `${bars ? drawing.categories.length * BAR_HEIGHT + 70 : LINE_HEIGHT}px`;
  charts.push({ chart: window.echarts.init(box, null, { renderer: "svg" }), drawing, box });
}

function showTables() {
  for (const toggle of document.querySelectorAll(".chart-toggle")) {
    const table = document.getElementById(toggle.getAttribute("aria-controls"));
    toggle.hidden = false;
    table.hidden = true;
    toggle.addEventListener("click", () => {
      table.hidden = !table.hidden;
      toggle.setAttribute("aria-expanded", String(!table.hidden));
    });
  }
}

if (window.echarts) {
  for (const drawing of drawings) {
    const box = document.querySelector(`[data-chart="${drawing.name}"]`);
    if (box) set(box, drawing);
  }
  draw();
  showTables();
  new MutationObserver(draw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  addEventListener("resize", () => charts.forEach(({ chart }) => chart.resize()));
  addEventListener("beforeprint", () => {
    const root = document.documentElement;
    root.dataset.themeOnScreen = root.dataset.theme ?? "";
    root.dataset.theme = "light";
    charts.forEach(({ chart }) => chart.resize({ width: PRINT_WIDTH }));
    draw();
  });
  addEventListener("afterprint", () => {
    const { themeOnScreen } = document.documentElement.dataset;
    if (themeOnScreen) document.documentElement.dataset.theme = themeOnScreen;
    else delete document.documentElement.dataset.theme;
    charts.forEach(({ chart }) => chart.resize({ width: "auto" }));
    draw();
  });
}
for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}
