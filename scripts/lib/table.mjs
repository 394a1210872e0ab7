// Tables for people: first column to the left, numbers to the right.

/** A plain text table; `rows` of strings, the first one the heading. */
export function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => [...(row[column] ?? '')].length)))
  const line = (row) => row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]))).join('  ').trimEnd()
  return [line(rows[0]), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.slice(1).map(line)].join('\n')
}

/** 1234567.8 -> "1,234,568" */
export const whole = (value) => Math.round(value).toLocaleString('en-US')

/**
 * The value below which `part` of the sorted numbers lie (nearest rank).
 * @returns {number}
 */
export function percentile(numbers, part) {
  const sorted = Float64Array.from(numbers).toSorted()
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(part * sorted.length) - 1))]
}
