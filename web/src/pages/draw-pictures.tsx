/** The three pictures of the draw: a sealed envelope, numbers for everyone, and the opened envelope that decides the order. The text beside each says the same. */

import type { ComponentChildren } from "preact";

/** The key is sealed in an envelope, and its fingerprint is attached. */
export function Sealing() {
  return (
    <Picture>
      <rect x="8" y="20" width="96" height="78" rx="6" />
      <g class="draw-faint">
        <Key x={41} y={84} />
      </g>
      <path d="M9 25 56 58 103 25" />
      <circle class="draw-seal" cx="56" cy="56" r="11" />
      <path d="M56 54v5" class="draw-on-seal" />
      <path d="M104 58h14" stroke-dasharray="3 4" />
      <rect class="draw-tag" x="118" y="34" width="36" height="48" rx="6" />
      <path d="M125 66v-6a11 11 0 0 1 22 0v6M129.5 69v-9a6.5 6.5 0 0 1 13 0v9M134 71v-11a2 2 0 0 1 4 0v11" stroke-width="2" />
    </Picture>
  );
}

/** Everyone who joins gets a number. */
export function Joining() {
  return (
    <Picture>
      {[1, 2, 3].map((number) => (
        <g key={number} transform={`translate(${number * 50 - 45} 0)`}>
          <circle cx="20" cy="24" r="11" />
          <path d="M2 66v-8a16 16 0 0 1 16-16h4a16 16 0 0 1 16 16v8" />
          <Card x={6} y={58} number={number} />
        </g>
      ))}
    </Picture>
  );
}

/** The envelope is open, and the key has put the numbers in order. */
export function Opening() {
  return (
    <Picture>
      <path d="M6 58 36 28 66 58v32a5 5 0 0 1-5 5H11a5 5 0 0 1-5-5z" />
      <g class="draw-brand">
        <Key x={20} y={50} />
      </g>
      <path class="draw-front" d="M6 60 36 80 66 60v30a5 5 0 0 1-5 5H11a5 5 0 0 1-5-5z" />
      <path d="M76 62h20M89 54l8 8-8 8" />
      {[3, 1, 2].map((number, index) => (
        <Card key={number} x={112} y={6 + index * 34} number={number} />
      ))}
    </Picture>
  );
}

function Picture({ children }: { children: ComponentChildren }) {
  return (
    <svg class="draw-picture" viewBox="0 0 160 112" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

function Key({ x, y }: { x: number; y: number }) {
  return <path d={`M${x} ${y - 5}a5 5 0 1 0 0.01 0zM${x + 5} ${y}h24v6M${x + 22} ${y}v5`} />;
}

function Card({ x, y, number }: { x: number; y: number; number: number }) {
  return (
    <>
      <rect class="draw-card" x={x} y={y} width="28" height="28" rx="5" />
      <text x={x + 14} y={y + 20} text-anchor="middle">
        {number}
      </text>
    </>
  );
}
