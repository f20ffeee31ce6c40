/**
 * The forms: which episode, which ground, which laws.
 * @module
 */

import { element } from "./dom.mjs";
import { ORDINARY } from "./conditions.mjs";

/** N s, of the buttons that push. */
const SHOVE = [12, 3];
/** Where a thrown ball comes from, m from the hull, and its speed, m/s. */
const THROW = { from: [9, 1.5], velocity: [-11, 4] };

const numberIn = (id) => Number(element(id).value);
const percent = (share) => `${Math.round(100 * share)} %`;

const TEXTS = {
  roughness: (x) => `${x} ×`,
  obstacles: percent,
  size: (x) => `${x} ×`,
  gravity: (x) => (x === ORDINARY.gravity ? "10 m/s²" : x === 1.6 ? "1.6 moon" : `${x} m/s²`),
  motors: percent,
  grip: (x) => (x <= 0.1 ? `${percent(x)} ice` : percent(x)),
};

/** Ties the forms to a player. */
export class Forms {
  /**
   * @param {import("./player.mjs").Player} player
   * @param {Record<string, number>} difficulty Gymnasium's Hardcore, by the names of `Difficulty`
   */
  constructor(player, difficulty) {
    this._player = player;
    this._difficulty = difficulty;
    for (const id of Object.keys(TEXTS)) {
      element(id).addEventListener("input", () => this._label(id));
      this._label(id);
    }
    this._listenToEpisode();
    this._listenToLaws();
  }

  _label(id) {
    element(id).nextElementSibling.textContent = TEXTS[id](numberIn(id));
  }

  // Episode ----------------------------------------------------------------------------------------

  _listenToEpisode() {
    element("begin").onsubmit = (event) => {
      event.preventDefault();
      this.begin();
    };
    element("kind").onchange = () => {
      element("own").hidden = this._kind !== "own";
      this.begin();
    };
    element("own").onchange = () => this.begin();
    element("another").onclick = () => {
      element("seed").value = Math.floor(Math.random() * 100_000);
      this.begin();
    };
  }

  get _kind() {
    return document.querySelector("#kind input:checked").value;
  }

  /** Begin the episode that the form describes; the laws stay as they are. */
  begin() {
    if (!element("seed").reportValidity()) return;
    const own = this._kind === "own";
    const start = {
      seed: element("seed").value,
      hardcore: this._kind === "hardcore" || (own && numberIn("obstacles") > 0),
      difficulty: own ? this._ownDifficulty() : null,
    };
    const laws = this._player.runner.conditions ?? ORDINARY;
    this._player.begin(start);
    this._enact(Object.values(laws));
  }

  /** Show the start of another race in the form. @param {import("./race.mjs").Start} start */
  fill({ seed, hardcore, difficulty }) {
    element("seed").value = seed;
    const kind = difficulty !== null ? "own" : hardcore ? "hardcore" : "flat";
    document.querySelector(`#kind input[value=${kind}]`).checked = true;
    element("own").hidden = kind !== "own";
  }

  /** The numbers of `Difficulty`, in its order. */
  _ownDifficulty() {
    const kinds = { stump_weight: "stumps", stairs_weight: "stairs", pit_weight: "pits" };
    const weights = Object.fromEntries(
      Object.entries(kinds).map(([name, id]) => [name, Number(element(id).checked)]),
    );
    const none = Object.values(weights).every((weight) => weight === 0);
    const size = numberIn("size");
    const chosen = {
      ...(none ? {} : weights),
      roughness: numberIn("roughness"),
      obstacles: none ? 0 : numberIn("obstacles"),
      ...{ stump_height: size, stair_height: size, pit_width: size },
    };
    return Object.values({ ...this._difficulty, ...chosen });
  }

  // Laws -------------------------------------------------------------------------------------------

  _listenToLaws() {
    element("laws").onsubmit = (event) => event.preventDefault();
    for (const name of Object.keys(ORDINARY)) {
      element(name).addEventListener("input", () => this._enact(Object.keys(ORDINARY).map(numberIn)));
    }
    element("normal").onclick = () => this._enact(Object.values(ORDINARY));
    element("shove-back").onclick = () => this._shove(-1);
    element("shove-on").onclick = () => this._shove(1);
    element("throw").onclick = () => this.throwBall();
  }

  /** Let laws hold from now on: gravity, motors, grip. */
  _enact(wanted) {
    const { race, runner } = this._player;
    const present = Object.values(runner.conditions);
    if (wanted.some((value, i) => value !== present[i])) race.act("world", ...wanted);
  }

  /** Show the laws of the present time, which may be one that was gone back to. */
  showLaws() {
    for (const [name, value] of Object.entries(this._player.runner.conditions)) {
      if (numberIn(name) === value) continue;
      element(name).value = value;
      this._label(name);
    }
  }

  _shove(sign) {
    const { race, runner } = this._player;
    race.act("push", runner.number, sign * SHOVE[0], SHOVE[1], ...runner.walker.hull);
  }

  /** Throw a ball at the robot from ahead. */
  throwBall() {
    const { race, runner } = this._player;
    const [x, y] = runner.walker.hull;
    const { from, velocity } = THROW;
    race.act("throw", x + from[0], y + from[1], velocity[0] + runner.walker.speed, velocity[1]);
  }
}
