// Generated names that are not taken yet, and names in messages.

// No vowels, so that no word comes out by accident, and nothing that looks like something else.
const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';
const SUFFIX_LENGTH = 5;
const MASK = (1n << 64n) - 1n;

function suffix(number) {
  let letters = '';
  for (let place = 0; place < SUFFIX_LENGTH; place++) {
    letters += ALPHABET[Number(number % BigInt(ALPHABET.length))];
    number /= BigInt(ALPHABET.length);
  }
  return letters;
}

// FNV-1a over the letters, which are ASCII: the host makes them.
function start(first) {
  let hash = 0xcbf29ce484222325n;
  for (const letter of first) {
    hash = ((hash ^ BigInt(letter.codePointAt(0))) * 0x100000001b3n) & MASK;
  }
  return hash;
}

/** Generates `prefix-first`, or if that is taken the next unused name in a fixed sequence. */
export function unusedName(prefix, first, taken) {
  let name = `${prefix}-${first}`;
  let state = start(first);
  while (taken.includes(name)) {
    // A linear congruential step: every suffix comes up in the end, and always in the same order.
    state = (state * 6364136223846793005n + 1442695040888963407n) & MASK;
    name = `${prefix}-${suffix(state >> 24n)}`;
  }
  return name;
}

/** Formats names as a list in prose: `"a", "b" and "c"`; an empty list is `none`. */
export function quotedList(names) {
  const quoted = names.map((name) => JSON.stringify(name));
  if (quoted.length < 2) return quoted[0] ?? 'none';
  return `${quoted.slice(0, -1).join(', ')} and ${quoted.at(-1)}`;
}

// Insertions, deletions, substitutions and swaps of neighbours.
function distance(a, b) {
  const rows = [Array.from({ length: b.length + 1 }, (_, column) => column)];
  for (let i = 1; i <= a.length; i++) {
    rows[i] = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1;
      rows[i][j] = Math.min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + change);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        rows[i][j] = Math.min(rows[i][j], rows[i - 2][j - 2] + 1);
      }
    }
  }
  return rows[a.length][b.length];
}

/** Finds the known name that a mistyped one most likely meant. */
export function nearest(typed, known) {
  let best = null;
  for (const name of known) {
    const far = distance(typed.toLowerCase(), name.toLowerCase());
    const allowed = 1 + Math.floor(Math.max(name.length, typed.length) / 4);
    if (far > allowed) continue;
    if (best === null || far < best.far || (far === best.far && name < best.name)) best = { far, name };
  }
  return best?.name ?? null;
}
