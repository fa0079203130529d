/** The picture of an event, drawn from its id: unique and always the same, without a photo or a request. */

const PALETTES = [
  ["#1d2b53", "#c8321f", "#f2b544", "#f5efe0"],
  ["#12343b", "#e0a526", "#d9583b", "#f3e9d2"],
  ["#3a1c47", "#f26b5b", "#f7c59f", "#6fb3b8"],
  ["#143d59", "#f4b41a", "#e8e3d3", "#d9414e"],
  ["#20302a", "#9cc069", "#f0dfb0", "#e2725b"],
  ["#2a1a1f", "#e4572e", "#f3a712", "#a8c686"],
  ["#0f2e4c", "#58b4ae", "#ffe277", "#ff7657"],
] as const;
const WIDTH = 400;
const HEIGHT = 225;

type Random = () => number;
type Palette = readonly [string, string, string, string];

export function Artwork({ id }: { id: string }) {
  const random = seeded(id);
  const palette = PALETTES[Math.floor(random() * PALETTES.length)]!;
  const draw = [rings, tiles, hills, beams][Math.floor(random() * 4)]!;
  return (
    <svg class="artwork" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="xMidYMid slice" aria-hidden="true" focusable="false">
      <rect width={WIDTH} height={HEIGHT} fill={palette[0]} />
      {draw(random, palette)}
    </svg>
  );
}

/** A floodlit circle with rings around it, like a court or stage seen from above. */
function rings(random: Random, [, ...colors]: Palette) {
  const [x, y] = [WIDTH * (0.25 + 0.5 * random()), HEIGHT * (0.35 + 0.5 * random())];
  const count = 6;
  return Array.from({ length: count }, (_, index) => (
    <circle cx={x} cy={y} r={30 + (count - index) * 34} fill={index % 2 ? colors[index % 3] : "none"} stroke={colors[(index + 1) % 3]} stroke-width="7" opacity={index % 2 ? 0.16 : 0.9} />
  )).concat(<circle cx={x} cy={y} r="30" fill={colors[1]} />);
}

/** Quarter circles in a grid, like old concert posters. */
function tiles(random: Random, [, ...colors]: Palette) {
  const size = 56.25;
  const shapes = [];
  for (let y = 0; y < HEIGHT; y += size) {
    for (let x = -12; x < WIDTH; x += size) {
      const turn = Math.floor(random() * 4) * 90;
      const color = colors[Math.floor(random() * 3)];
      const center = `${x + size / 2} ${y + size / 2}`;
      if (random() < 0.18) shapes.push(<circle cx={x + size / 2} cy={y + size / 2} r={size / 3.2} fill={color} />);
      else shapes.push(<path d={`M${x} ${y}h${size}a${size} ${size} 0 0 1-${size} ${size}z`} transform={`rotate(${turn} ${center})`} fill={color} />);
    }
  }
  return shapes;
}

/** A low sun over waves. */
function hills(random: Random, [, sun, ...colors]: Palette) {
  const waves = Array.from({ length: 4 }, (_, index) => {
    const y = HEIGHT * (0.5 + 0.14 * index);
    const [a, b] = [18 + 40 * random(), 18 + 40 * random()];
    return (
      <path
        d={`M0 ${y}C${WIDTH * 0.25} ${y - a} ${WIDTH * 0.35} ${y + b} ${WIDTH * 0.5} ${y}S${WIDTH * 0.8} ${y - b} ${WIDTH} ${y - a / 2}V${HEIGHT}H0z`}
        fill={colors[index % 2]}
        opacity={0.45 + 0.18 * index}
      />
    );
  });
  return [<circle cx={WIDTH * (0.2 + 0.6 * random())} cy={HEIGHT * 0.42} r={56 + 20 * random()} fill={sun} />, ...waves];
}

/** Beams of light from the edge of a stage. */
function beams(random: Random, [, ...colors]: Palette) {
  const from = WIDTH * (0.15 + 0.7 * random());
  const count = 9;
  const lights = Array.from({ length: count }, (_, index) => {
    const [left, right] = [index - 0.1, index + 0.45].map((step) => -WIDTH + (3 * WIDTH * step) / count);
    return <path d={`M${from} ${HEIGHT + 30}L${left} -10H${right}z`} fill={colors[index % 3]} opacity={0.35 + 0.5 * random()} />;
  });
  return [...lights, <ellipse cx={from} cy={HEIGHT + 16} rx="120" ry="52" fill={colors[1]} />];
}

/** Pseudorandom numbers from 0 to 1, seeded with a text (FNV-1a, then mulberry32). */
function seeded(text: string): Random {
  let state = 0x811c9dc5;
  for (const char of text) state = Math.imul(state ^ char.charCodeAt(0), 0x01000193);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
