/**
 * Keys, and the buttons that stand for them.
 * @module
 */

import { KEYS } from "./driver.mjs";
import { element } from "./dom.mjs";

/** Keys that buttons and sliders use themselves. */
const OWN_KEYS = [" ", "Enter", "ArrowLeft", "ArrowRight"];

/** Watches the keyboard, and the four buttons with the names of keys. */
export class Keyboard {
  /**
   * @param {import("./player.mjs").Player} player
   * @param {Record<string, () => void>} actions of other keys
   */
  constructor(player, actions) {
    this._player = player;
    this._actions = { ...actions, Escape: () => this._give() };
    this._held = 0;
    addEventListener("keydown", (event) => this._down(event));
    addEventListener("keyup", (event) => this._hold(event.key.toLowerCase(), false));
    addEventListener("blur", () => this._drive(0));
    for (const button of element("keys").children) this._listen(button);
    element("release").onclick = () => this._give();
  }

  _listen(button) {
    const { key } = button.dataset;
    button.onpointerdown = (event) => {
      button.setPointerCapture(event.pointerId);
      this._hold(key, true);
    };
    button.onpointerup = button.onpointercancel = () => this._hold(key, false);
    button.oncontextmenu = () => false; // a long press is a press
    button.onkeydown = ({ key: pressed }) => pressed === " " && this._hold(key, true);
    button.onkeyup = ({ key: pressed }) => pressed === " " && this._hold(key, false);
  }

  _down(event) {
    const { target, key, repeat } = event;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (target.matches("input[type=text], select")) return;
    if (KEYS.includes(key.toLowerCase())) {
      if (!repeat) this._hold(key.toLowerCase(), true);
      return;
    }
    if (OWN_KEYS.includes(key) && target.matches("input, button, summary")) return;
    const action = this._actions[key];
    if (action === undefined) return;
    event.preventDefault();
    action();
  }

  _hold(key, down) {
    const bit = KEYS.indexOf(key);
    if (bit < 0) return;
    const held = down ? this._held | (1 << bit) : this._held & ~(1 << bit);
    this._drive(held, down);
  }

  /** Tell the race which keys are held; the first one takes the joints over. */
  _drive(held, taking = false) {
    const changed = held !== this._held;
    this._held = held;
    for (const button of element("keys").children) {
      const bit = KEYS.indexOf(button.dataset.key);
      button.setAttribute("aria-pressed", String(((held >> bit) & 1) === 1));
    }
    const { race, runner, playing } = this._player;
    if (!changed || (!taking && runner.held < 0)) return;
    race.act("keys", runner.number, held);
    if (taking && !playing) this._player.play(true);
  }

  _give() {
    const { race, runner } = this._player;
    if (runner.held >= 0) race.act("keys", runner.number, -1);
    this._drive(0);
  }
}
