import { createHash } from 'node:crypto'
import type { HealthReport } from '@cairn/core'
import { html, raw } from 'hono/html'
import type { ApiOperation } from './api-document.ts'

export interface HomePage {
  readonly version: string
  readonly tenant: string
  readonly health: HealthReport
  /** What there is of each room, in the order shown. */
  readonly rooms: readonly { readonly count: string; readonly what: string; readonly path: string }[]
  readonly origin: string
  readonly operations: readonly ApiOperation[]
}

const STYLE = `
:root { color-scheme: light dark; --ink: #1c2024; --soft: #60656b; --line: #e2e5e9; --paper: #fbfbfa; --card: #fff; --accent: #3f6b4f; --good: #2b7a4b; --fair: #9a6700; --bad: #b42318 }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --soft: #9aa1a9; --line: #2c3136; --paper: #131517; --card: #1a1d20; --accent: #8fc4a2; --good: #6fcf97; --fair: #e0b252; --bad: #ff8a7a } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 3rem 1.25rem 4rem; max-width: 62rem; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif }
h1 { margin: 0; font-size: 2rem; letter-spacing: -.02em } h1 small { margin-left: .5rem; color: var(--soft); font-size: 1rem; font-weight: 400; letter-spacing: 0 }
h2 { margin: 2.5rem 0 .75rem; font-size: 1.1rem } p { margin: .5rem 0; color: var(--soft) } a { color: var(--accent) }
nav { display: flex; flex-wrap: wrap; gap: .5rem 1.25rem; margin-top: 1rem }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: .75rem; margin-top: 1.5rem }
.card { padding: .9rem 1rem; border: 1px solid var(--line); border-radius: .6rem; background: var(--card) }
.card b { display: block; font-size: 1.35rem; font-weight: 600 } .card span { color: var(--soft); font-size: .875rem }
.rooms { grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); margin-top: 0 } a.card { color: inherit; text-decoration: none } a.card:hover { border-color: var(--accent) } nav small { color: var(--soft) }
.healthy { color: var(--good) } .degraded { color: var(--fair) } .unhealthy { color: var(--bad) }
pre { overflow-x: auto; padding: 1rem; border: 1px solid var(--line); border-radius: .6rem; background: var(--card) }
code, pre { font: .85rem/1.6 ui-monospace, monospace }
.wide { overflow-x: auto } table { width: 100%; border-collapse: collapse; font-size: .9rem }
th, td { padding: .4rem .75rem .4rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top } th { padding-top: 1.25rem; text-transform: capitalize }
td:first-child { width: 4.5rem; color: var(--soft); font: .78rem/1.9 ui-monospace, monospace } td:last-child { color: var(--soft) }
`

/** The page runs no script and loads nothing; its one style is allowed by its hash. */
export const HOME_POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

/** The page at `/`: what runs, how it is, and what there is to call. */
export function homePage({ version, tenant, health, rooms, origin, operations }: HomePage) {
  const byTag = Map.groupBy(operations, ({ tag }) => tag)
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Cairn ${version}</title>
<style>${raw(STYLE)}</style>
</head>
<body>
<header>
<h1>Cairn<small>${version}</small></h1>
<p>The durable state and memory of multi-agent systems.</p>
<nav><a href="/openapi.json">OpenAPI</a><a href="/health">Health</a><a href="/ready">Ready</a><a href="/metrics">Metrics</a><a href="/v1">API index</a></nav>
</header>
<main>
<div class="cards">
${health.checks.map(
  (check) => html`<div class="card"><b class="${check.status}">${check.status}</b><span>${titleOf(check)}${check.latencyMs === null ? '' : ` · ${check.latencyMs.toFixed(1)} ms`}</span></div>`,
)}
</div>
<h2>In “${tenant}”</h2>
<div class="cards rooms">
${rooms.map(({ count, what, path }) => html`<a class="card" href="${path}"><b>${count}</b><span>${what}</span></a>`)}
</div>
<h2>Try it</h2>
<pre>${example(origin)}</pre>
<p>Another tenant: <code>-H 'X-Cairn-Tenant: acme'</code>. There is no authentication in this release, so keep the server on the loopback address. The reference is docs/reference/http.md; every error has a <code>code</code> that docs/errors.md explains.</p>
<h2>Routes</h2>
<nav>${[...byTag].map(([tag, routes]) => html`<a href="#${tag}">${tag} <small>${routes.length}</small></a>`)}</nav>
<div class="wide"><table>
${[...byTag].map(
  ([tag, routes]) => html`<tbody id="${tag}"><tr><th colspan="3">${tag}</th></tr>
${routes.map((route) => html`<tr><td>${route.method}</td><td><code>${route.path}</code></td><td>${route.summary}</td></tr>`)}
</tbody>`,
)}
</table></div>
</main>
</body>
</html>`
}

function titleOf({ name, details }: HealthReport['checks'][number]): string {
  const engine = typeof details['engine'] === 'string' ? ` (${details['engine']})` : ''
  return `${{ sql: 'SQL', kv: 'Hot tier', consistency: 'Flush' }[name]}${engine}`
}

function example(origin: string): string {
  return `curl ${origin}/v1/agents --json '{"name":"scout","type":"analyst"}'
curl -X PUT ${origin}/v1/agents/scout/state/plan -H 'Content-Type: application/json' -d '{"step":1}'
curl ${origin}/v1/agents/scout/state/plan
curl -N ${origin}/v1/agents/scout/state-events`
}
