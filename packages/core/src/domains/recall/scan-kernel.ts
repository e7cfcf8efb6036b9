/**
 * The inner products of one query with many vectors of bytes, as a WebAssembly module that is assembled here: 16 bytes at a time with
 * 128-bit SIMD, four vectors for each read of the query. About ten times as fast as the same loop in JavaScript.
 */
export interface ScanKernel {
  readonly memory: WasmMemory
  /**
   * `rows` vectors of `stride` signed bytes from `codes` on, with `stride` 16-bit numbers at `query`: 32-bit sums from `out` on, which wrap
   * when they do not fit. `rows` is taken up to a multiple of 4, `stride` is one of 16, and neither is 0.
   */
  scan(codes: number, rows: number, stride: number, query: number, out: number): void
}

export interface WasmMemory {
  /** Another one after it has grown. */
  readonly buffer: ArrayBuffer
  /** By so many pages of 65,536 bytes; throws when there is no more. */
  grow(pages: number): number
}

/** As far as it is used here: the types of JavaScript without a browser lack it. */
interface Wasm {
  readonly Memory: new (limits: { readonly initial: number; readonly maximum: number }) => WasmMemory
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object, imports: Readonly<Record<string, Readonly<Record<string, unknown>>>>) => { readonly exports: Readonly<Record<string, unknown>> }
}

const { WebAssembly: wasm } = globalThis as unknown as { readonly WebAssembly: Wasm }
const PAGE = 65_536
const MOST_PAGES = 65_536

/** Its memory begins with `bytes` and grows by `memory.grow`. */
export function makeScanKernel(bytes: number): ScanKernel {
  const memory = new wasm.Memory({ initial: Math.ceil(bytes / PAGE), maximum: MOST_PAGES })
  const instance = new wasm.Instance(new wasm.Module(moduleBytes()), { env: { memory } })
  return { memory, scan: instance.exports['scan'] as ScanKernel['scan'] }
}

const I32 = 0x7f
const V128 = 0x7b
const END = 0x0b
const VOID = 0x40

function moduleBytes(): Uint8Array<ArrayBuffer> {
  const type = section(1, vector([[0x60, ...vector(Array.from({ length: 5 }, () => [I32])), 0]]))
  const imported = section(2, vector([[...name('env'), ...name('memory'), 0x02, 0x01, ...unsigned(0), ...unsigned(MOST_PAGES)]]))
  const functions = section(3, vector([[0]]))
  const exported = section(7, vector([[...name('scan'), 0x00, 0]]))
  const body = scanBody()
  const code = section(10, vector([[...unsigned(body.length), ...body]]))
  return Uint8Array.from([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, ...type, ...imported, ...functions, ...exported, ...code])
}

/** Parameters: 0 codes, 1 rows, 2 stride, 3 query, 4 out. Locals: 5 place in the query, 6 its end, 7 to 10 places in the rows, 11 to 14 sums, 15 of the query. */
function scanBody(): number[] {
  const [CODES, ROWS, STRIDE, QUERY, OUT, ASKED, ENDS, AT, SUM, HELD] = [0, 1, 2, 3, 4, 5, 6, 7, 11, 15]
  const ROWS_AT_ONCE = [0, 1, 2, 3]
  const step = (half: 0 | 8): number[] => [
    ...get(ASKED), ...simd(LOAD), ...access(4, half * 2), ...set(HELD),
    ...ROWS_AT_ONCE.flatMap((row) => [...get(AT + row), ...simd(LOAD_8_AS_16), ...access(3, half), ...get(HELD), ...simd(DOT), ...get(SUM + row), ...simd(ADD_4), ...set(SUM + row)]),
  ]
  return [
    ...vector([[...unsigned(6), I32], [...unsigned(5), V128]]),
    0x03, VOID,
    ...ROWS_AT_ONCE.flatMap((row) => [...get(CODES), ...get(STRIDE), ...constant(row), MULTIPLY, ADD, ...set(AT + row)]),
    ...get(QUERY), ...set(ASKED), ...get(QUERY), ...get(STRIDE), ...constant(2), MULTIPLY, ADD, ...set(ENDS),
    ...ROWS_AT_ONCE.flatMap((row) => [...simd(ZERO), ...Array.from({ length: 16 }, () => 0), ...set(SUM + row)]),
    0x03, VOID,
    ...step(0), ...step(8),
    ...ROWS_AT_ONCE.flatMap((row) => [...get(AT + row), ...constant(16), ADD, ...set(AT + row)]),
    ...get(ASKED), ...constant(32), ADD, ...set(ASKED),
    ...get(ASKED), ...get(ENDS), LESS, 0x0d, 0,
    END,
    ...ROWS_AT_ONCE.flatMap((row) => [...get(OUT), ...[0, 1, 2, 3].flatMap((lane) => [...get(SUM + row), ...simd(LANE), lane, ...(lane === 0 ? [] : [ADD])]), STORE, ...access(2, row * 4)]),
    ...get(OUT), ...constant(16), ADD, ...set(OUT),
    ...get(CODES), ...get(STRIDE), ...constant(4), MULTIPLY, ADD, ...set(CODES),
    ...get(ROWS), ...constant(4), SUBTRACT, ...set(ROWS),
    ...get(ROWS), ...constant(0), ABOVE, 0x0d, 0,
    END,
    END,
  ]
}

const ADD = 0x6a
const SUBTRACT = 0x6b
const MULTIPLY = 0x6c
const LESS = 0x49
const ABOVE = 0x4a
const STORE = 0x36
const LOAD = 0x00
const LOAD_8_AS_16 = 0x01
const ZERO = 0x0c
const LANE = 0x1b
const ADD_4 = 0xae
const DOT = 0xba

const get = (local: number): number[] => [0x20, local]
const set = (local: number): number[] => [0x21, local]
const constant = (value: number): number[] => [0x41, ...signed(value)]
const simd = (operation: number): number[] => [0xfd, ...unsigned(operation)]
/** Alignment as a power of two, then offset. */
const access = (align: number, offset: number): number[] => [align, ...unsigned(offset)]
const vector = (items: readonly (readonly number[])[]): number[] => [...unsigned(items.length), ...items.flat()]
const section = (id: number, content: readonly number[]): number[] => [id, ...unsigned(content.length), ...content]
const name = (text: string): number[] => vector([...Buffer.from(text)].map((byte) => [byte]))

/** LEB128. */
function unsigned(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...unsigned(Math.floor(value / 128))]
}

function signed(value: number): number[] {
  return value < 64 ? [value] : [(value % 128) + 128, ...signed(Math.floor(value / 128))]
}
