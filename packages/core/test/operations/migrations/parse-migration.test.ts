import { describe, expect, it } from 'vitest'
import { isCairnError } from '../../../src/errors/index.ts'
import { loadMigrations, parseMigration } from '../../../src/operations/migrations/index.ts'
import { directoryOf, fileOf } from './fixtures.ts'

const GOOD = fileOf({ number: 1, name: 'first', up: 'CREATE TABLE a ();', down: 'DROP TABLE a;' })

function messageOf(file: string, text: string): string {
  try {
    parseMigration(file, text)
  } catch (error) {
    if (isCairnError(error, 'MIGRATION_INVALID')) return error.message
    throw error
  }
  return 'no error'
}

describe('parseMigration', () => {
  it('reads header, up, down and the lines on which they begin', () => {
    const migration = parseMigration(GOOD.file, GOOD.text)
    expect(migration).toMatchObject({
      number: 1, version: '0.1.0', name: 'first', type: 'schema', dependsOn: null, breaking: false, transactional: true, environments: null,
    })
    expect(migration.up.sql).toBe('CREATE TABLE a ();')
    expect(GOOD.text.split('\n')[migration.up.line - 1]).toBe('CREATE TABLE a ();')
    expect(migration.down?.sql).toBe('DROP TABLE a;')
  })

  it('gives the same checksum whatever the line ends and the byte order mark', () => {
    const windows = `\uFEFF${GOOD.text.replaceAll('\n', '\r\n')}`
    expect(parseMigration(GOOD.file, windows).checksum).toBe(parseMigration(GOOD.file, GOOD.text).checksum)
    expect(parseMigration(GOOD.file, `${GOOD.text} `).checksum).not.toBe(parseMigration(GOOD.file, GOOD.text).checksum)
  })

  // proves S4-10.1-02
  it.each([
    ['a version that is none', { version: '1.2' }, /000001_first\.sql:1: version "1\.2"/],
    ['a version with two words', { version: '1.2.3-a.b' }, /:1: version/],
    ['an unknown type', { type: 'table' }, /:4: type "table" is none of schema, data, index, partition, function/],
    ['an unknown key', { owner: 'me' }, /:6: "--! owner: me" is not known/],
    ['a flag that is neither true nor false', { breaking: 'yes' }, /:6: breaking is "yes"/],
    ['another name than the file has', { name: 'other' }, /:2: name "other" differs/],
    ['an empty description', { description: '' }, /:3: the header lacks a value for "description"/],
    ['depends_on that is no version', { depends_on: 'first' }, /:5: depends_on "first"/],
  ])('refuses %s, with file and line', (_what, header, message) => {
    expect(messageOf(GOOD.file, fileOf({ number: 1, name: 'first', up: 'SELECT 1;', header }).text)).toMatch(message)
  })

  it.each([
    ['no up section', '--! version: 0.1.0\n--! name: first\n--! description: d\n--! type: data\n--! depends_on: -\n', /there is no "--! up" section/],
    ['SQL above up', `SELECT 1;\n${GOOD.text}`, /:1: SQL above "--! up"/],
    ['two up sections', `${GOOD.text}--! up\nSELECT 1;\n`, /a second "--! up" section/],
    ['a header line below up', GOOD.text.replace('CREATE', '--! type: data\nCREATE'), /:8: the header line "--! type" stands below/],
    ['an empty down section', GOOD.text.replace('DROP TABLE a;', '-- nothing'), /:11: the section "--! down" holds no statement/],
    ['COMMIT in the script', GOOD.text.replace('();', '();\n\nCOMMIT;'), /:10: COMMIT is not allowed/],
    ['CONCURRENTLY in a transaction', GOOD.text.replace('CREATE TABLE a ()', 'CREATE INDEX CONCURRENTLY i ON a (b)'), /:8: CREATE INDEX CONCURRENTLY .*transactional: false/],
  ])('refuses %s, with file and line', (_what, text, message) => {
    expect(messageOf(GOOD.file, text)).toMatch(message)
  })

  it('refuses a file name of another form', () => {
    expect(messageOf('1_first.sql', GOOD.text)).toMatch(/NNNNNN_lower_case_name\.sql/)
  })

  it('is not misled by words in bodies, quotes and comments', () => {
    const up = `CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; END;
-- COMMIT;
/* ROLLBACK; /* nested */ COMMIT; */
DO $x$ BEGIN PERFORM 1; END $x$;
SELECT 'COMMIT; --', E'it\\'s; COMMIT', "a;b" FROM t;`
    expect(messageOf(GOOD.file, fileOf({ number: 1, name: 'first', up }).text)).toBe('no error')
  })
})

describe('loadMigrations', () => {
  const load = async (...drafts: { file: string; text: string }[]) => loadMigrations(await directoryOf(Object.fromEntries(drafts.map(({ file, text }) => [file, text]))))
  const second = (header: Record<string, string>, name = 'second', number = 2) => fileOf({ number, name, up: 'SELECT 1;', header })

  it('reads the migrations of this package, oldest first', async () => {
    const migrations = await loadMigrations()
    expect(migrations[0]?.name).toBe('foundation')
    expect(migrations.map(({ number }) => number)).toEqual(migrations.map(({ number }) => number).sort((a, b) => a - b))
    expect(migrations.filter(({ down }) => down === null)).toEqual([])
  })

  // proves D0-27
  it.each([
    ['a version that does not grow', second({ version: '0.1.0' }), /000002_second\.sql:1: version 0\.1\.0 must be above 0\.1\.0/],
    ['a release before its own beta', second({ version: '0.1.0-beta' }), /must be above 0\.1\.0/],
    ['a parent that is not there', second({ depends_on: '0.0.9' }), /depends_on 0\.0\.9 is not the version of an earlier migration/],
    ['a second root', second({ depends_on: '-' }), /only the first migration may have/],
    ['a name that stands twice', second({}, 'first'), /the name "first" is that of 000001_first\.sql/],
    ['a number that stands twice', second({ version: '0.2.0', depends_on: '0.1.0' }, 'zecond', 1), /the number 1 is that of 000001_first\.sql/],
  ])('refuses %s', async (_what, other, message) => {
    await expect(load(GOOD, other)).rejects.toThrow(message)
  })

  it('refuses a migration for everywhere that builds on one for some environments', async () => {
    const first = fileOf({ number: 1, name: 'first', up: 'SELECT 1;', header: { environment: 'test, staging' } })
    await expect(load(first, second({}))).rejects.toThrow(/runs only in test, staging/)
    await expect(load(first, second({ environment: 'test' }))).resolves.toHaveLength(2)
  })

  it('names a directory that cannot be read', async () => {
    await expect(loadMigrations('/nowhere/at/all')).rejects.toMatchObject({ code: 'MIGRATION_INVALID', message: expect.stringContaining('/nowhere/at/all') })
  })
})
