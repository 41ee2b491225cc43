/**
 * As much of JSON Schema 2020-12 as the published schema uses, so that a test can hold the schema to the
 * parser without a dependency. A keyword it does not know is an error, not ignored.
 */

type Schema = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const TYPES: Readonly<Record<string, (value: unknown) => boolean>> = {
  object: isObject,
  array: Array.isArray,
  string: (value) => typeof value === "string",
  integer: (value) => Number.isInteger(value),
  null: (value) => value === null,
};

const isRegexp = (text: string): boolean => {
  try {
    return new RegExp(text, "u") !== null;
  } catch {
    return false;
  }
};

/** Tells whether a value satisfies a schema; `root` is where `$ref` begins. */
export function isValid(value: unknown, schema: Schema, root: Schema = schema): boolean {
  const { properties = {} } = schema as { properties?: Record<string, Schema> };
  return Object.entries(schema).every(([keyword, argument]) => {
    switch (keyword) {
      case "$schema":
      case "$id":
      case "$defs":
      case "title":
      case "description":
        return true;
      case "$ref": {
        const steps = (argument as string).slice(2).split("/");
        const target = steps.reduce<unknown>((at, step) => (at as Schema)[step], root);
        return isValid(value, target as Schema, root);
      }
      case "type":
        return TYPES[argument as string]?.(value) ?? false;
      case "const":
        return value === argument;
      case "enum":
        return (argument as unknown[]).includes(value);
      case "pattern":
        return typeof value !== "string" || new RegExp(argument as string, "u").test(value);
      case "format":
        if (argument !== "regex") throw new Error(`unknown format ${String(argument)}`);
        return typeof value !== "string" || isRegexp(value);
      case "minLength":
        return typeof value !== "string" || value.length >= (argument as number);
      case "maxLength":
        return typeof value !== "string" || value.length <= (argument as number);
      case "minimum":
        return typeof value !== "number" || value >= (argument as number);
      case "maximum":
        return typeof value !== "number" || value <= (argument as number);
      case "minItems":
        return !Array.isArray(value) || value.length >= (argument as number);
      case "maxItems":
        return !Array.isArray(value) || value.length <= (argument as number);
      case "uniqueItems":
        return (
          !Array.isArray(value) ||
          new Set(value.map((x) => JSON.stringify(x))).size === value.length
        );
      case "items":
        return !Array.isArray(value) || value.every((x) => isValid(x, argument as Schema, root));
      case "minProperties":
        return !isObject(value) || Object.keys(value).length >= (argument as number);
      case "required":
        return !isObject(value) || (argument as string[]).every((key) => Object.hasOwn(value, key));
      case "properties":
        return (
          !isObject(value) ||
          Object.entries(properties).every(
            ([key, sub]) => !Object.hasOwn(value, key) || isValid(value[key], sub, root),
          )
        );
      case "propertyNames":
        return (
          !isObject(value) ||
          Object.keys(value).every((key) => isValid(key, argument as Schema, root))
        );
      case "additionalProperties":
        return (
          !isObject(value) ||
          Object.entries(value).every(
            ([key, entry]) =>
              Object.hasOwn(properties, key) ||
              (argument !== false && isValid(entry, argument as Schema, root)),
          )
        );
      case "anyOf":
        return (argument as Schema[]).some((sub) => isValid(value, sub, root));
      case "oneOf":
        return (argument as Schema[]).filter((sub) => isValid(value, sub, root)).length === 1;
      default:
        throw new Error(`unknown keyword ${keyword}`);
    }
  });
}
