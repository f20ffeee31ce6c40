/**
 * The diagrams that run along: feet on the ground, torques, the critic's value.
 * @module
 */

/** Timesteps that are shown: six seconds. */
export const SHOWN = 300;

/** CSS pixels: of the names at the left, of a row, between groups, of the curve. */
const [NAMES, ROW, SPACE, CURVE] = [86, 14, 10, 48];
const JOINTS = ["hip A", "knee A", "hip B", "knee B"];

/** Draws the recent moments of one robot on a canvas. */
export class Strip {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this._canvas = canvas;
    this._context = canvas.getContext("2d");
    this._readColours();
    matchMedia("(prefers-color-scheme: dark)").onchange = () => this._readColours();
  }

  /**
   * @param {(import("./record.mjs").Moment | undefined)[]} moments the latest last
   * @param {{feet: boolean, torques: boolean, value: boolean}} shown
   */
  draw(moments, shown) {
    const groups = [
      ...(shown.feet ? [{ height: 2 * ROW, draw: (top) => this._feet(moments, top) }] : []),
      ...(shown.torques ? [{ height: 4 * ROW, draw: (top) => this._torques(moments, top) }] : []),
      ...(shown.value ? [{ height: CURVE, draw: (top) => this._value(moments, top) }] : []),
    ];
    const height = groups.reduce((sum, group) => sum + group.height + SPACE, 0);
    this._canvas.hidden = groups.length === 0;
    if (groups.length === 0) return;
    this._fit(height);
    let top = SPACE / 2;
    for (const group of groups) {
      group.draw(top);
      top += group.height + SPACE;
    }
  }

  _fit(height) {
    const ratio = devicePixelRatio || 1;
    this._canvas.style.height = `${height}px`;
    this._width = this._canvas.clientWidth;
    const size = [this._width, height].map((length) => Math.round(length * ratio));
    // Another size empties a canvas, and is work for the browser even where it is the same.
    if (this._canvas.width !== size[0]) this._canvas.width = size[0];
    if (this._canvas.height !== size[1]) this._canvas.height = size[1];
    this._context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this._context.clearRect(0, 0, this._width, height);
    this._context.font = "12px system-ui, sans-serif";
    this._context.textBaseline = "middle";
  }

  /** The page's own colours, in light or dark. */
  _readColours() {
    const style = getComputedStyle(this._canvas);
    const read = (name) => style.getPropertyValue(name).trim();
    this._colours = {
      ...{ muted: read("--muted"), grid: read("--grid"), accent: read("--accent") },
      ...{ feet: [read("--foot-a"), read("--foot-b")] },
      ...{ torque: [read("--torque-up"), read("--torque-down")] },
    };
  }

  /** CSS pixels from the left of a moment; the latest stands at the right end. */
  _at(index, count) {
    return this._width - ((count - index) / SHOWN) * (this._width - NAMES);
  }

  _name(text, top, height) {
    this._context.fillStyle = this._colours.muted;
    this._context.fillText(text, 0, top + height / 2);
  }

  /** One row of bars, as high and in the colours that a moment says; null for none. */
  _row(moments, top, name, barOf) {
    this._name(name, top, ROW);
    this._context.fillStyle = this._colours.grid;
    this._context.fillRect(NAMES, top + ROW - 2, this._width - NAMES, 1);
    const step = (this._width - NAMES) / SHOWN;
    moments.forEach((moment, i) => {
      const bar = moment === undefined ? null : barOf(moment);
      if (bar === null) return;
      this._context.fillStyle = bar.colour;
      const height = bar.share * (ROW - 3);
      this._context.fillRect(this._at(i, moments.length), top + ROW - 2 - height, step + 0.6, height);
    });
  }

  _feet(moments, top) {
    for (const foot of [0, 1]) {
      const bar = { colour: this._colours.feet[foot], share: 1 };
      const name = `foot ${"AB"[foot]}`;
      this._row(moments, top + foot * ROW, name, ({ feet }) => (feet[foot] ? bar : null));
    }
  }

  _torques(moments, top) {
    JOINTS.forEach((name, joint) =>
      this._row(moments, top + joint * ROW, name, ({ action }) => ({
        colour: this._colours.torque[action[joint] > 0 ? 0 : 1],
        share: Math.min(Math.abs(action[joint]), 1),
      })),
    );
  }

  _value(moments, top) {
    const known = moments.flatMap((moment, i) =>
      moment === undefined || Number.isNaN(moment.value) ? [] : [[i, moment.value]],
    );
    if (known.length === 0) return;
    const values = known.map(([, value]) => value);
    const [low, high] = [Math.min(0, ...values), Math.max(1, ...values)];
    const y = (value) => top + CURVE - ((value - low) / (high - low)) * CURVE;
    this._line([[NAMES, y(0)], [this._width, y(0)]], this._colours.grid, 1);
    const points = known.map(([i, value]) => [this._at(i, moments.length), y(value)]);
    this._line(points, this._colours.accent, 2);
    const latest = values[values.length - 1].toFixed(1).replace("-", "−");
    this._name(`value ${latest}`, top, CURVE);
  }

  _line(points, colour, width) {
    this._context.beginPath();
    for (const [x, y] of points) this._context.lineTo(x, y);
    this._context.lineJoin = "round";
    this._context.lineWidth = width;
    this._context.strokeStyle = colour;
    this._context.stroke();
  }
}
