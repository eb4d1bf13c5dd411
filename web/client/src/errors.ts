export class ThingwayError extends Error {
  declare readonly code: string;
  declare readonly hint: string;
  declare readonly status?: number;
  declare readonly bytesUnsent?: number;
  declare readonly bytesMayBeLost?: number;
  declare readonly step?: number;
}
