import { readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { KnowledgeGraph } from '@cairn/core'
import { describe, expect, test } from 'vitest'
import { parseMcpMemory } from '../src/import/mcp-memory-format.ts'
import { importMcpMemory } from '../src/import/mcp-memory-import.ts'
import { useServer } from './running-server.ts'

describe('the lines of the file', () => {
  test('wrong ones are named with their number, the rest is taken', () => {
    const long = 'x'.repeat(256)
    const lines = [
      '{"type":"entity","name":"Ada","entityType":"person","observations":["a","a","b"]}', '', 'not json', '[]', 'null', '{"type":"thing"}', '{}',
      '{"type":"entity","name":"","entityType":"person","observations":[]}', `{"type":"entity","name":"${long}","entityType":"person","observations":[]}`,
      '{"type":"entity","name":"Bob","entityType":"person"}', '{"type":"entity","name":"Bob","entityType":"person","observations":[1]}', '{"type":"entity","name":"Bob","entityType":"person","observations":["\\u0000"]}',
      '{"type":"relation","from":"Ada","to":"Bob","relationType":"@x"}', '{"type":"relation","from":"Ada","to":"Bob"}', '{"type":"relation","from":"Ada","to":"Bob","relationType":"knows"}\r',
      '{"type":"relation","from":"Ada","to":"Bob","relationType":"knows"}', '{"type":"entity","name":"Ada","entityType":"robot","observations":["c","a"],"extra":1}', '{"type":"entity","name":"Cut',
    ]
    const { entities, relations, problems } = parseMcpMemory(`\uFEFF${lines.join('\n')}`)
    expect(entities).toEqual([{ name: 'Ada', entityType: 'person', observations: ['a', 'b', 'c'] }])
    expect(relations).toEqual([{ from: 'Ada', to: 'Bob', relationType: 'knows' }])
    expect(problems.map(({ line }) => line)).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 18])
    expect(parseMcpMemory('')).toEqual({ entities: [], relations: [], problems: [] })
  })

  test('any file goes in pieces that a call takes, whole and in order', async () => {
    const entities = [
      ...Array.from({ length: 1_200 }, (_, n) => ({ name: `e${n}`, entityType: 't', observations: n % 3 === 0 ? [`o${n}`] : [] })),
      { name: 'many', entityType: 't', observations: Array.from({ length: 1_700 }, (_, n) => `m${n}`) },
      { name: 'long', entityType: 't', observations: Array.from({ length: 30 }, (_, n) => `${n}`.padEnd(19_000, 'x')) },
    ]
    const relations = Array.from({ length: 1_001 }, (_, n) => ({ from: `e${n}`, to: 'many', relationType: 'r' }))
    const said = new Map<string, string[]>()
    let related = 0
    await importMcpMemory({ entities, relations, problems: [] }, async (piece) => {
      expect(piece.entities.length + piece.entities.reduce((sum, { observations }) => sum + observations.length, 0)).toBeLessThanOrEqual(501)
      expect(JSON.stringify(piece).length).toBeLessThan(300_000)
      for (const { name, observations } of piece.entities) said.set(name, [...(said.get(name) ?? []), ...observations])
      related += piece.relations.length
      return { entities: 0, observations: 0, relations: 0 }
    }, new AbortController().signal)
    expect([...said]).toEqual(entities.map(({ name, observations }) => [name, observations]))
    expect(related).toBe(1_001)
  })
})

describe('cairn import mcp-memory', () => {
  const cli = useServer()

  test("takes the reference server's own file, once however often it is run, with what came to it since", async () => {
    const file = join(await cli.sandbox.dataDir('reference'), '..', 'memory.jsonl')
    await rm(file, { force: true })
    const { KnowledgeGraphManager } = (await import(pathToFileURL(createRequire(import.meta.url).resolve('@modelcontextprotocol/server-memory/dist/index.js')).href)) as { KnowledgeGraphManager: new (path: string) => KnowledgeGraph }
    const reference = new KnowledgeGraphManager(file)
    await reference.createEntities([{ name: 'Ada', entityType: 'person', observations: ['likes "tea"', 'née Byron\nin London'] }, { name: 'Engine', entityType: 'machine', observations: [] }])
    await reference.createRelations([{ from: 'Ada', to: 'Engine', relationType: 'describes' }, { from: 'Ada', to: 'Nobody', relationType: 'awaits' }])
    const where = ['--server', cli.server.url]
    const imported = () => cli.sandbox.json(['import', 'mcp-memory', file, ...where])
    const graph = async () => (await fetch(`${cli.server.url}/v1/knowledge/graph`)).json()
    expect(await imported()).toMatchObject({ ok: true, found: { entities: 2, observations: 2, relations: 2 }, added: { entities: 2, observations: 2, relations: 2 }, problems: [] })
    expect(await graph()).toEqual(await reference.readGraph())
    expect(await imported()).toMatchObject({ ok: true, added: { entities: 0, observations: 0, relations: 0 } })
    await reference.addObservations([{ entityName: 'Ada', contents: ['wrote notes'] }])
    expect(await imported()).toMatchObject({ added: { entities: 0, observations: 1, relations: 0 } })
    expect(await graph()).toEqual(await reference.readGraph())

    await writeFile(file, `${await readFile(file, 'utf8')}\noops\n{"type":"entity","name":"Bob","entityType":"person","observations":[]}\n`)
    expect(await cli.sandbox.run(['import', 'mcp-memory', file, '--strict', ...where])).toMatchObject({ code: 1, stdout: expect.stringMatching(/:5: left out: it is not JSON\.\nNothing was imported/) as string })
    expect(await graph()).toEqual({ entities: expect.not.arrayContaining([expect.objectContaining({ name: 'Bob' })]), relations: expect.anything() })
    expect(await cli.sandbox.run(['import', 'mcp-memory', file, ...where])).toMatchObject({ code: 1, stdout: expect.stringMatching(/:5: left out: it is not JSON\.\nAdded 1 of 3 entities, 0 of 3 observations and 0 of 2 relations/) as string })
    expect(await cli.sandbox.run(['import', 'mcp-memory', `${file}.not`, ...where])).toMatchObject({ code: 2, stderr: expect.stringContaining('there is no such file') as string })
  }, 120_000)
})
