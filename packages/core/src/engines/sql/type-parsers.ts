import pg from 'pg'

type Parse = (text: string) => unknown

const { builtins } = pg.types
// The published types of pg-types call it a function; it is an object with a factory.
const arrays = pg.types.arrayParser as unknown as { create(source: string, parse: Parse): { parse(): unknown[] } }

const text: Parse = (value) => value
const number: Parse = Number
const boolean: Parse = (value) => value === 't'
const json: Parse = (value) => JSON.parse(value)
const timestamp: Parse = pg.types.getTypeParser(builtins.TIMESTAMPTZ)
const bytes: Parse = (value) => new Uint8Array(Buffer.from(value.slice(2), 'hex'))

function integer(value: string): number | bigint {
  const parsed = Number(value)
  return Number.isSafeInteger(parsed) ? parsed : BigInt(value)
}

/** By type oid: the parser of a value, and the oid of the array of that type. Types that are not here come back as text. */
const SCALARS: readonly (readonly [oid: number, array: number, parse: Parse])[] = [
  [builtins.BOOL, 1000, boolean],
  [builtins.BYTEA, 1001, bytes],
  [18, 1002, text],
  [19, 1003, text],
  [builtins.INT8, 1016, integer],
  [builtins.INT2, 1005, number],
  [builtins.INT4, 1007, number],
  [builtins.TEXT, 1009, text],
  [builtins.OID, 1028, number],
  [builtins.JSON, 199, json],
  [builtins.JSONB, 3807, json],
  [builtins.FLOAT4, 1021, number],
  [builtins.FLOAT8, 1022, number],
  [builtins.INET, 1041, text],
  [builtins.BPCHAR, 1014, text],
  [builtins.VARCHAR, 1015, text],
  [builtins.DATE, 1182, text],
  [builtins.TIMESTAMP, 1115, text],
  [builtins.TIMESTAMPTZ, 1185, timestamp],
  [builtins.INTERVAL, 1187, text],
  [builtins.NUMERIC, 1231, number],
  [builtins.UUID, 2951, text],
]

const PARSERS = new Map<number, Parse>()
for (const [oid, array, parse] of SCALARS) {
  PARSERS.set(oid, parse)
  PARSERS.set(array, (value) => parseArray(value, parse))
}

function parseArray(value: string, parse: Parse): unknown[] {
  return arrays.create(value, parse).parse()
}

/** What `pg` asks for the parser of each column: the types that the contract of SqlSession names. */
export const typeParsers: pg.CustomTypesConfig = {
  getTypeParser: (oid: number): Parse => PARSERS.get(oid) ?? text,
}

/** The first oid that is given to types made by the user, such as enums. */
export const FIRST_USER_OID = 16_384

/** For an array of a type made by the user (an enum), whose elements are text. */
export function parseTextArray(value: string): unknown[] {
  return parseArray(value, text)
}
