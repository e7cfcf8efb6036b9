export { DEFAULT_PAGE_LIMIT, MAX_PAGE_LIMIT, decodeCursor, encodeCursor, pageLimit, toPage, type Page, type PageOptions } from './page.ts'
