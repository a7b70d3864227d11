// The colours of a terminal in a line of a log.

/** How a run of characters looks. Its colours are of the page, 0 to 15, so all can be read. */
export interface Look {
  color?: number | undefined;
  ground?: number | undefined;
  isBold?: boolean;
  isDim?: boolean;
  isItalic?: boolean;
  isUnderlined?: boolean;
  isInverse?: boolean;
}

/** Characters that look alike, from one place in the plain text to another. */
export interface Run {
  from: number;
  to: number;
  look: Look;
}

/** A control sequence with its parameters and last letter, a command, or a lone escape. */
const ESCAPE = /\x1b(?:\[([0-?]*)[ -/]*([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_]?)/g;

/** Matches any number of colour changes, as the server's regular expressions are written. */
export const ESCAPES = String.raw`(?:\x1b\[[0-9;]*[A-Za-z])*`;

/** Takes the escape sequences out of a line. Each line begins plain, since it may be read alone. */
export function readAnsi(text: string): { plain: string; runs: Run[] } {
  const runs: Run[] = [];
  let plain = "";
  let look: Look = {};
  let end = 0;
  const take = (to: number) => {
    if (to > end) {
      const from = plain.length;
      plain += text.slice(end, to);
      runs.push({ from, to: plain.length, look });
    }
  };
  for (const match of text.matchAll(ESCAPE)) {
    take(match.index);
    end = match.index + match[0].length;
    if (match[2] === "m") look = changed(look, match[1] ?? "");
  }
  take(text.length);
  return { plain, runs };
}

/** The look after "select graphic rendition" with these parameters. */
function changed(before: Look, parameters: string): Look {
  const codes = parameters.split(/[;:]/).map(Number);
  let look = { ...before };
  for (let at = 0; at < codes.length; at += 1) {
    const code = codes[at] ?? 0;
    if (code === 0) look = {};
    else if (code === 38 || code === 48) {
      const color = codes[at + 1] === 5 ? ofPalette(codes[at + 2] ?? 0) : ofRgb(codes.slice(at + 2, at + 5));
      look = { ...look, ...(code === 38 ? { color } : { ground: color }) };
      at += codes[at + 1] === 5 ? 2 : 4;
    } else look = { ...look, ...ofCode(code) };
  }
  return look;
}

function ofCode(code: number): Look {
  if (code >= 30 && code <= 37) return { color: code - 30 };
  if (code >= 90 && code <= 97) return { color: code - 82 };
  if (code >= 40 && code <= 47) return { ground: code - 40 };
  if (code >= 100 && code <= 107) return { ground: code - 92 };
  switch (code) {
    case 1:
      return { isBold: true };
    case 2:
      return { isDim: true };
    case 3:
      return { isItalic: true };
    case 4:
      return { isUnderlined: true };
    case 7:
      return { isInverse: true };
    case 22:
      return { isBold: false, isDim: false };
    case 23:
      return { isItalic: false };
    case 24:
      return { isUnderlined: false };
    case 27:
      return { isInverse: false };
    case 39:
      return { color: undefined };
    case 49:
      return { ground: undefined };
    default:
      return {};
  }
}

/** The nearest of the 16 colours to one of the 256. */
function ofPalette(index: number): number {
  if (index < 16) return index;
  if (index >= 232) return ofRgb(Array(3).fill(8 + 10 * (index - 232)));
  const cube = index - 16;
  return ofRgb([Math.floor(cube / 36), Math.floor(cube / 6) % 6, cube % 6].map((level) => level * 51));
}

/** The nearest of the 16 colours: what is near the strongest part counts, and how strong that is. */
function ofRgb([red = 0, green = 0, blue = 0]: readonly number[]): number {
  const strongest = Math.max(red, green, blue);
  const weakest = Math.min(red, green, blue);
  if (strongest - weakest < 32) return [0, 8, 7, 15][Math.min(3, Math.floor(strongest / 64))] ?? 7;
  const isIn = (part: number) => part > (strongest + weakest) / 2;
  const hue = (isIn(red) ? 1 : 0) + (isIn(green) ? 2 : 0) + (isIn(blue) ? 4 : 0);
  return strongest > 190 ? hue + 8 : hue;
}
