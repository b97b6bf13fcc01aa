// @ts-check
/**
 * Draws the series that the page around this frame sends. It has no origin and fetches nothing. It
 * is no module, because a page without an origin cannot load one.
 */
"use strict";

(() => {
  const DAY = { ink: "#1a2333", line: "#d8dde6", ground: "#ffffff", series: ["#1d5bb8", "#c0352b", "#1c7c46", "#a86a00", "#8e3aa5", "#0b7285"] };
  const NIGHT = { ink: "#dae2ee", line: "#243048", ground: "#111827", series: ["#8db8ff", "#ff8a80", "#63c98d", "#f2bd4b", "#d6a3e6", "#6fd3e3"] };
  const MARKERS = ["circle", "square", "triangle", "diamond", "inverted_triangle", "hex"];
  const night = matchMedia("(prefers-color-scheme: dark)");

  /** @type {any} */
  const Bokeh = /** @type {any} */ (window).Bokeh;
  /** @type {any} */
  let drawn = null;
  /** @type {any} */
  let wanted = null;

  addEventListener("message", (event) => {
    if (event.source !== parent || event.data?.type !== "draw") return;
    wanted = event.data;
    void draw();
  });
  night.addEventListener("change", () => void draw());
  report(Bokeh ? { type: "ready" } : { type: "failed" });

  async function draw() {
    if (!wanted) return;
    const view = drawn;
    drawn = null;
    try {
      const figure = figureOf(wanted, night.matches ? NIGHT : DAY);
      view?.remove();
      drawn = await Bokeh.Plotting.show(figure, document.getElementById("plot"));
      report({ type: "drawn" });
    } catch (error) {
      report({ type: "failed" });
      throw error;
    }
  }

  /** @param {object} message */
  function report(message) {
    parent.postMessage(message, "*");
  }

  /**
   * @param {any} plot
   * @param {typeof DAY} colours
   */
  function figureOf(plot, colours) {
    const figure = Bokeh.Plotting.figure({
      sizing_mode: "stretch_both",
      tools: "pan,box_zoom,wheel_zoom,reset",
      toolbar_location: "above",
      x_axis_label: plot.xLabel,
      y_axis_label: plot.yLabel,
      y_range: new Bokeh.DataRange1d({ flipped: true }), // bright is up, and has small magnitudes
      background_fill_color: colours.ground,
      border_fill_color: colours.ground,
      outline_line_color: colours.line,
      output_backend: "canvas",
    });
    figure.toolbar.logo = null;
    for (const [number, series] of plot.series.entries()) addSeries(figure, series, number, colours);
    paint(figure, colours, plot.series.length > 1);
    return figure;
  }

  /**
   * @param {any} figure
   * @param {{name: string, x: number[], y: number[], error: (number | null)[]}} series
   * @param {number} number
   * @param {typeof DAY} colours
   */
  function addSeries(figure, series, number, colours) {
    const colour = colours.series[number % colours.series.length];
    const marker = MARKERS[number % MARKERS.length];
    const points = new Bokeh.ColumnDataSource({ data: { x: series.x, y: series.y } });
    figure.scatter({ field: "x" }, { field: "y" }, {
      source: points, marker, size: 6, line_color: null, fill_color: colour, fill_alpha: 0.85, legend_label: series.name || "magnitude",
    });
    const known = series.error.map((error, index) => index).filter((index) => series.error[index] !== null);
    if (!known.length) return;
    const spread = (/** @type {number} */ sign) => known.map((index) => series.y[index] + sign * Number(series.error[index]));
    const bars = new Bokeh.ColumnDataSource({
      data: { base: known.map((index) => series.x[index]), lower: spread(-1), upper: spread(1) },
    });
    figure.add_layout(new Bokeh.Whisker({
      source: bars, base: { field: "base" }, lower: { field: "lower" }, upper: { field: "upper" },
      line_color: colour, line_alpha: 0.6, upper_head: null, lower_head: null, level: "underlay",
    }));
  }

  /**
   * @param {any} figure
   * @param {typeof DAY} colours
   * @param {boolean} several
   */
  function paint(figure, colours, several) {
    for (const axis of [...figure.below, ...figure.left]) {
      if (!axis.axis_label_text_color) continue;
      Object.assign(axis, {
        axis_label_text_color: colours.ink, major_label_text_color: colours.ink, axis_line_color: colours.line,
        major_tick_line_color: colours.line, minor_tick_line_color: null,
        formatter: new Bokeh.BasicTickFormatter({ use_scientific: false }),
      });
    }
    for (const grid of figure.center) if ("grid_line_color" in grid) grid.grid_line_color = colours.line;
    const legend = figure.legend;
    Object.assign(legend, { visible: several, label_text_color: colours.ink, background_fill_color: colours.ground, border_line_color: colours.line, orientation: "horizontal" });
  }
})();
