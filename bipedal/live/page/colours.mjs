/**
 * The colours of robots, landscape and diagrams.
 * @module
 */

/** Of the landscape in light and dark pages. */
export const LANDSCAPE = {
  light: {
    sky: ["#dfe5ff", "#f6f4ff"],
    hills: ["#d3dcf3", "#c2d5da"],
    soil: "#66994c",
    grass: "#4cbb4c",
    faint: "#e3f0d8",
    box: ["#f4f4f2", "#8d9096"],
    ball: ["#ffb454", "#b26a12"],
    beam: "#ff3b30",
    torque: ["#0a7cff", "#ff7a00"],
    ink: "#23272e",
  },
  dark: {
    sky: ["#141830", "#232a45"],
    hills: ["#222a49", "#233441"],
    soil: "#2f4a26",
    grass: "#3f9c3f",
    faint: "#b5cda6",
    box: ["#5a6172", "#8a92a3"],
    ball: ["#e79a3c", "#ffd9a0"],
    beam: "#ff5f56",
    torque: ["#5ab0ff", "#ff9d45"],
    ink: "#e8eaee",
  },
};

/** Hull and its edge, by robot: the first has Gymnasium's colours. */
const TINTS = [
  ["#7f33e5", "#4c4c7f"],
  ["#0f9a8e", "#0a5f58"],
  ["#d9691e", "#8a4010"],
  ["#c73a75", "#7d2048"],
];
/** Near and far legs and their edges, by robot. */
const LEGS = [
  [["#b26598", "#7f4c65"], ["#803366", "#4d1a33"]],
  [["#5ab5a8", "#2f7a70"], ["#2c8278", "#12504a"]],
  [["#e0a070", "#9a6238"], ["#ad683a", "#6b3c1a"]],
  [["#dd86a8", "#94506d"], ["#a34a70", "#632843"]],
];

/** Colours of a hull. @param {number} robot @returns {string[]} */
export const tintOf = (robot) => TINTS[robot % TINTS.length];

/** Colours of a leg. @param {number} robot @param {number} leg @returns {string[]} */
export const legColours = (robot, leg) => LEGS[robot % LEGS.length][leg];
