import type uPlot from 'uplot';
import { formatRate } from '../format.js';

export const CHART_HEIGHT = 190;
const COLORS = 8;

export interface Look {
  readonly lines: readonly { readonly color: string; readonly dash: number[] }[];
  readonly text: string;
  readonly grid: string;
}

/** Colors of the page as they are now; a canvas knows no custom properties. Names beyond the palette get dashes. */
export function readLook(names: readonly string[]): Look {
  const styles = getComputedStyle(document.documentElement);
  const color = (name: string) => styles.getPropertyValue(name).trim();
  return {
    lines: names.map((_, index) => ({
      color: color(`--chart-${index % COLORS}`),
      dash: index < COLORS ? [] : [5, 4],
    })),
    text: color('--muted'),
    grid: color('--line'),
  };
}

export function toOptions(
  names: readonly string[],
  { lines, text, grid }: Look,
  onCursor: (index: number | null) => void,
): Omit<uPlot.Options, 'width'> {
  const axis = {
    stroke: text,
    font: '11px system-ui, sans-serif',
    grid: { stroke: grid, width: 1 },
    ticks: { show: false },
  };
  return {
    height: CHART_HEIGHT,
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: { sync: { key: 'console' }, drag: { x: false, y: false }, points: { size: 5 } },
    scales: { y: { range: (_, __, max) => [0, Math.max(1, (max ?? 0) * 1.08)] } },
    axes: [
      { ...axis, values: (_, times) => times.map(toMinutes), space: 70, size: 26 },
      { ...axis, values: (_, values) => values.map((value) => formatRate(value)), size: 52 },
    ],
    series: [
      {},
      ...names.map((label, index) => ({
        label,
        stroke: lines[index]?.color ?? text,
        dash: lines[index]?.dash ?? [],
        width: 1.5,
        points: { show: false },
      })),
    ],
    hooks: { setCursor: [({ cursor }) => onCursor(cursor.idx ?? null)] },
  };
}

function toMinutes(time: number): string {
  return new Date(time * 1_000).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
}
