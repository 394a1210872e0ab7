// Recall across, queries a second up (log scale): one panel a data set, one line an engine. Plain SVG, no library.

export interface Line {
  name: string
  points: { recall: number; qps: number }[]
}

export interface Panel {
  title: string
  /** what `qps` is */
  axis: string
  lines: Line[]
}

const WIDTH = 520
const HEIGHT = 400
const MARGIN = { left: 70, right: 20, top: 40, bottom: 50 }
const LEAST_RECALL = 0.8
const COLOURS = ['#0072b2', '#56b4e9', '#009e73', '#d55e00', '#e69f00', '#cc79a7', '#000000'] // Okabe and Ito's, told apart by most eyes
/** Lines that share a colour differ in their dashes. */
const DASHES = ['', '6 3', '2 2', '8 2 2 2']
/** Height of a line of the legend, and how many names it holds for each panel. */
const LEGEND = { line: 18, names: 4 }

interface Look {
  colour: string
  dash: string
}

const lookOf = (place: number): Look => ({
  colour: COLOURS[place % COLOURS.length] as string,
  dash: DASHES[Math.floor(place / COLOURS.length) % DASHES.length] as string,
})
const stroke = ({ colour, dash }: Look) => `stroke="${colour}" stroke-width="2"${dash && ` stroke-dasharray="${dash}"`}`
const escape = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')

const at = (value: number): string => value.toFixed(1)

/** 1, 2, 5, 10, 20 ... as far as they lie between the two. */
function ticks(low: number, high: number): number[] {
  const out: number[] = []
  for (let decade = 10 ** Math.floor(Math.log10(low)); decade <= high; decade *= 10) out.push(decade, 2 * decade, 5 * decade)
  return out.filter((tick) => tick >= low && tick <= high)
}

function panelSvg(panel: Panel, look: (name: string) => Look): string {
  const lines = panel.lines.map((line) => ({ ...line, points: line.points.filter((point) => point.recall >= LEAST_RECALL) }))
  const speeds = lines.flatMap((line) => line.points.map((point) => point.qps))
  if (speeds.length === 0) return ''
  const [low, high] = [Math.min(...speeds) / 1.2, Math.max(...speeds) * 1.2]
  const x = (recall: number) => MARGIN.left + ((recall - LEAST_RECALL) / (1 - LEAST_RECALL)) * (WIDTH - MARGIN.left - MARGIN.right)
  const y = (qps: number) => HEIGHT - MARGIN.bottom - (Math.log(qps / low) / Math.log(high / low)) * (HEIGHT - MARGIN.top - MARGIN.bottom)
  const right = WIDTH - MARGIN.right
  const bottom = HEIGHT - MARGIN.bottom
  const parts = [`<text x="${WIDTH / 2}" y="22" text-anchor="middle" font-size="15">${escape(panel.title)}</text>`]
  for (const tick of ticks(low, high)) {
    parts.push(`<line x1="${MARGIN.left}" x2="${right}" y1="${at(y(tick))}" y2="${at(y(tick))}" stroke="#ddd"/>`)
    parts.push(`<text x="${MARGIN.left - 8}" y="${at(y(tick) + 4)}" text-anchor="end">${tick.toLocaleString('en-US')}</text>`)
  }
  for (const tick of [0.8, 0.85, 0.9, 0.95, 0.99, 1]) {
    parts.push(`<line x1="${at(x(tick))}" x2="${at(x(tick))}" y1="${MARGIN.top}" y2="${bottom}" stroke="#ddd"/>`)
    parts.push(`<text x="${at(x(tick))}" y="${bottom + 18}" text-anchor="${tick === 0.99 ? 'end' : 'middle'}">${tick}</text>`)
  }
  parts.push(`<text x="${(MARGIN.left + right) / 2}" y="${HEIGHT - 10}" text-anchor="middle">recall@10</text>`)
  parts.push(`<text transform="translate(16 ${HEIGHT / 2}) rotate(-90)" text-anchor="middle">${escape(panel.axis)}</text>`)
  for (const line of lines) {
    const path = line.points.map((point) => `${at(x(point.recall))},${at(y(point.qps))}`)
    parts.push(`<polyline points="${path.join(' ')}" fill="none" ${stroke(look(line.name))}/>`)
    parts.push(...path.map((point) => `<circle cx="${point.split(',')[0]}" cy="${point.split(',')[1]}" r="2.5" fill="${look(line.name).colour}"/>`))
  }
  return parts.join('\n')
}

/** The whole picture: panels side by side, the legend below. */
export function plot(panels: readonly Panel[]): string {
  const names = [...new Set(panels.flatMap((panel) => panel.lines.map((line) => line.name)))]
  const look = (name: string) => lookOf(names.indexOf(name))
  const columns = LEGEND.names * panels.length
  const width = WIDTH * panels.length
  const height = HEIGHT + 20 + LEGEND.line * Math.ceil(names.length / columns)
  const legend = names.map((name, i) => {
    const x = 20 + (i % columns) * ((width - 20) / columns)
    const y = HEIGHT + 10 + LEGEND.line * Math.floor(i / columns)
    return `<line x1="${x.toFixed(0)}" x2="${(x + 22).toFixed(0)}" y1="${y}" y2="${y}" ${stroke(look(name))}/><text x="${(x + 27).toFixed(0)}" y="${y + 4}">${escape(name)}</text>`
  })
  const bodies = panels.map((panel, i) => `<g transform="translate(${i * WIDTH} 0)">\n${panelSvg(panel, look)}\n</g>`)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>
${bodies.join('\n')}
${legend.join('\n')}
</svg>
`
}
