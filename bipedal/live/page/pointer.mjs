/**
 * What the pointer does to the world: push, draw ground, put up stumps, throw a ball, look around.
 * @module
 */

import { BALL } from "./ball.mjs";
import { element, say } from "./dom.mjs";
import { GROUND_RANGE, isFree, isVertexFree } from "./ground.mjs";
import { heightAt } from "./record.mjs";

/** N s, and m/s, for each m that the pointer is dragged. */
const [IMPULSE_A_METRE, SPEED_A_METRE] = [5, 6];
/** m from a hull's origin at which it can be grabbed. */
const REACH = 1.2;
/** m, of a stump; Gymnasium's are 0.47 or 0.93 wide and high. */
const STUMP = { width: 0.47, most: 2 };
const TAKEN = "The ground stays where a robot stands: draw ahead of it";

const HINTS = {
  push: "Drag a robot and let go to push it. Drag elsewhere to look around.",
  draw: "Draw the ground with the pointer, ahead of the robot.",
  stump: "Click on the ground, as high as the stump shall be.",
  ball: "Drag and let go: the ball flies the way you dragged.",
};

/** Makes events of what the pointer does on the canvas. */
export class Pointer {
  /**
   * @param {import("./player.mjs").Player} player
   * @param {import("./stage.mjs").Stage} stage
   */
  constructor(player, stage) {
    this._player = player;
    this._view = stage.view;
    /** A drag in the making: where it began, where the pointer is, whom it holds. */
    this._drag = undefined;
    /** The latest events of the fingers or buttons that are down, by their pointer. */
    this._down = new Map();
    /** Where the pointer is, in the world, without a button; undefined elsewhere. */
    this._hover = undefined;
    stage.drawTool = (view) => this._draw(view);
    this._listen(element("canvas"));
    element("tools").onchange = () => this._choose();
    this._choose();
  }

  get _tool() {
    return document.querySelector("#tools input:checked").value;
  }

  _choose() {
    element("canvas").dataset.tool = this._tool;
    element("hint").textContent = HINTS[this._tool];
  }

  _listen(canvas) {
    canvas.onpointerdown = (event) => {
      canvas.setPointerCapture(event.pointerId);
      this._down.set(event.pointerId, event);
      this._drag = undefined; // a second finger ends what the first one did: the two zoom
      if (this._down.size === 1) this._begin(event);
    };
    canvas.onpointermove = (event) => {
      this._hover = this._view.toWorld(event);
      if (this._drag?.id === event.pointerId) this._dragTo(this._hover, event);
      if (this._down.size === 2 && this._down.has(event.pointerId)) this._pinch(event);
    };
    canvas.onpointerup = (event) => {
      this._down.delete(event.pointerId);
      if (this._drag?.id === event.pointerId) this._letGo();
    };
    canvas.onpointercancel = (event) => {
      this._down.delete(event.pointerId);
      this._drag = undefined;
    };
    canvas.onpointerleave = () => (this._hover = undefined);
    canvas.addEventListener("wheel", (event) => this._wheel(event), { passive: false });
  }

  _begin(event) {
    const at = this._view.toWorld(event);
    this._drag = { from: at, to: at, id: event.pointerId, runner: this._grab(at) };
    element("hint").textContent = "";
    if (this._tool === "draw") this._drawGround(at, at);
  }

  /** Zoom as two fingers move apart, about the point between them. */
  _pinch(event) {
    const apart = () => {
      const [a, b] = this._down.values();
      return Math.max(Math.hypot(a.offsetX - b.offsetX, a.offsetY - b.offsetY), 1);
    };
    const before = apart();
    this._down.set(event.pointerId, event);
    const [a, b] = this._down.values();
    this._view.zoom(apart() / before, (a.offsetX + b.offsetX) / 2);
  }

  _wheel(event) {
    if (!event.ctrlKey && document.activeElement !== element("canvas")) return;
    event.preventDefault(); // a wheel scrolls the page until the picture has the focus
    this._view.zoom(Math.exp(-event.deltaY / 500), event.offsetX);
  }

  /** The robot whose hull is under the pointer. */
  _grab(at) {
    const away = ({ walker }) => Math.hypot(walker.hull[0] - at[0], walker.hull[1] - at[1]);
    const [nearest] = [...this._player.race.runners].sort((a, b) => away(a) - away(b));
    return away(nearest) < REACH ? nearest : undefined;
  }

  _dragTo(at, event) {
    const before = this._drag.to;
    this._drag.to = at;
    if (this._tool === "draw") this._drawGround(before, at);
    if (this._tool === "push" && this._drag.runner === undefined) {
      element("follow").checked = false;
      this._view.pan(event.movementX);
    }
  }

  _letGo() {
    const { from, to, runner } = this._drag;
    this._drag = undefined;
    const length = (factor) => [to[0] - from[0], to[1] - from[1]].map((x) => x * factor);
    const { race } = this._player;
    if (this._tool === "push" && runner !== undefined) {
      race.act("push", runner.number, ...length(IMPULSE_A_METRE), ...from);
    } else if (this._tool === "ball") {
      race.act("throw", ...from, ...length(SPEED_A_METRE));
    } else if (this._tool === "stump") {
      this._putStump(to);
    }
  }

  /** Move the vertices of the ground between two points of the pointer. */
  _drawGround(from, to) {
    const { race, runner } = this._player;
    const step = runner.walker.layout.constants.TERRAIN_STEP;
    const [a, b] = from[0] <= to[0] ? [from, to] : [to, from];
    const first = Math.round(a[0] / step);
    const heights = [];
    for (let vertex = first; vertex <= Math.round(b[0] / step); vertex++) {
      if (!race.runners.every(({ walker }) => isVertexFree(walker, vertex))) return say(TAKEN);
      const share = b[0] > a[0] ? (vertex * step - a[0]) / (b[0] - a[0]) : 0;
      const height = a[1] + Math.min(Math.max(share, 0), 1) * (b[1] - a[1]);
      heights.push(Math.min(Math.max(height, GROUND_RANGE[0]), GROUND_RANGE[1]));
    }
    say("");
    race.act("ground", first, ...heights);
  }

  _stumpAt(at) {
    const { walker } = this._player.runner;
    const [left, right] = [at[0] - STUMP.width / 2, at[0] + STUMP.width / 2];
    const foot = Math.min(heightAt(walker, left), heightAt(walker, right));
    const top = Math.min(Math.max(at[1], foot + STUMP.width), foot + STUMP.most);
    const free = this._player.race.runners.every((one) => isFree(one.walker, left, right));
    return { box: [left, foot - 0.2, right, top], free };
  }

  _putStump(at) {
    const { box, free } = this._stumpAt(at);
    say(free ? "" : TAKEN);
    if (free) this._player.race.act("stump", ...box);
  }

  _draw(view) {
    if (this._tool === "stump" && this._hover !== undefined) {
      const { box, free } = this._stumpAt(this._hover);
      view.drawHint(box, free);
    }
    const { from, to, runner } = this._drag ?? {};
    if (from === undefined) return;
    if (this._tool === "ball") view.drawBall(from, BALL.radius);
    if (this._tool === "ball" || runner !== undefined && this._tool === "push") {
      view.drawArrow(from, to);
    }
  }
}
