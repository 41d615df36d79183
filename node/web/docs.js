// The API's operations, from /openapi.json.
"use strict";

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

// A schema as a person reads it: {name: type, …}, references followed a few levels deep.
function shape(schema, schemas, depth = 0) {
  if (!schema) return "anything";
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    return depth > 3 ? name : shape(schemas[name], schemas, depth + 1);
  }
  if (schema.anyOf) return schema.anyOf.map((one) => shape(one, schemas, depth)).join(" | ");
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(" | ");
  if (schema.type === "array") return `[${shape(schema.items, schemas, depth)}]`;
  if (schema.type === "object" && schema.properties) {
    const pad = "  ".repeat(depth + 1);
    const required = new Set(schema.required || []);
    const lines = Object.entries(schema.properties).map(
      ([name, inner]) => `${pad}${name}${required.has(name) ? "" : "?"}: ${shape(inner, schemas, depth + 1)}`);
    return `{\n${lines.join("\n")}\n${"  ".repeat(depth)}}`;
  }
  return schema.type || "anything";
}

function operation(method, path, described, schemas) {
  const section = element("section");
  const head = element("h2");
  head.id = described.operationId;
  head.append(element("code", `${method.toUpperCase()} ${path}`));
  section.append(head, element("p", described.summary));
  if (described.description) section.append(element("p", described.description, "soft"));
  if (described.security.length) section.append(element("p", "Needs a bearer token.", "soft"));
  if (described.parameters.length) {
    const list = element("ul");
    for (const parameter of described.parameters) {
      const item = element("li");
      item.append(element("code", parameter.name), ` in ${parameter.in}: ${shape(parameter.schema, schemas)}`);
      list.append(item);
    }
    section.append(list);
  }
  const body = described.requestBody?.content["application/json"];
  if (body) section.append(element("p", "Body", "soft"), element("pre", shape(body.schema, schemas)));
  for (const [status, answer] of Object.entries(described.responses)) {
    const [media, content] = Object.entries(answer.content || {})[0] || [];
    if (!media || media.includes("problem")) continue;
    section.append(element("p", `${status} ${media}`, "soft"));
    if (content.schema) section.append(element("pre", shape(content.schema, schemas)));
  }
  return section;
}

async function show() {
  const main = document.getElementById("operations");
  try {
    const openapi = await (await fetch("/openapi.json")).json();
    const sections = Object.entries(openapi.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, described]) =>
        operation(method, path, described, openapi.components.schemas)));
    main.replaceChildren(element("p", openapi.info.description), ...sections);
  } catch (error) {
    main.replaceChildren(element("p", `openapi.json cannot be read: ${error.message}`, "bad"));
  }
}

show();
