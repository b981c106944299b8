// Draws /openapi.json. Everything from the document and from answers becomes text, never markup.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];
let doc;

function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value !== undefined) node.setAttribute(key, value);
  }
  node.append(...children.filter(Boolean));
  return node;
}

function resolve(part) {
  if (!part || !part.$ref) return part;
  return part.$ref.slice(2).split("/").reduce((at, key) => at[key], doc);
}

function kindOf(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.enum) return schema.enum.filter((one) => one !== "").join(" | ");
  if (schema.type === "array") return kindOf(schema.items) + "[]";
  if (schema.type === "object" && schema.additionalProperties && !schema.properties) return "map of text";
  return [].concat(schema.type || "any").join(" or ") + (schema.format === "date-time" ? " (time)" : "");
}

function limits(schema) {
  const texts = [];
  if (schema.minimum !== undefined && schema.maximum !== undefined) texts.push(schema.minimum + " to " + schema.maximum);
  else if (schema.minimum !== undefined) texts.push("at least " + schema.minimum);
  if (schema.pattern) texts.push(schema.pattern);
  if (schema.maxLength) texts.push("at most " + schema.maxLength + " characters");
  return texts.join(", ");
}

function schemaTable(schema) {
  const whole = resolve(schema);
  const properties = Object.entries((whole && whole.properties) || {});
  if (!properties.length) return el("p", { class: "kind" }, kindOf(whole), " ", (whole && whole.description) || "");
  const required = new Set(whole.required || []);
  return el("table", {}, ...properties.map(([name, raw]) => {
    const target = raw.$ref ? "#schema-" + raw.$ref.split("/").pop()
      : raw.items && raw.items.$ref ? "#schema-" + raw.items.$ref.split("/").pop() : null;
    const kind = target ? el("a", { href: target }, kindOf(raw)) : kindOf(raw);
    return el("tr", {},
      el("td", {}, el("code", {}, name), " ", required.has(name) ? el("span", { class: "must" }, "required") : ""),
      el("td", {}, el("span", { class: "kind" }, kind, limits(raw) ? " - " + limits(raw) : "")),
      el("td", {}, raw.description || ""));
  }));
}

function pretty(text) {
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}

function buildUrl(path, fields) {
  const query = new URLSearchParams();
  for (const { parameter, input } of fields) {
    const value = input.value;
    if (parameter.in === "path") path = path.replace("{" + parameter.name + "}", encodeURIComponent(value));
    if (parameter.in === "query" && value !== "") query.append(parameter.name, value);
  }
  const text = query.toString();
  return text ? path + "?" + text : path;
}

function headersOf(fields, hasBody) {
  const headers = {};
  const token = document.getElementById("token").value.trim();
  if (token) headers.Authorization = "Bearer " + token;
  if (hasBody) headers["Content-Type"] = "application/json";
  for (const { parameter, input } of fields) {
    if (parameter.in === "header" && input.value !== "") headers[parameter.name] = input.value;
  }
  return headers;
}

function shellQuote(text) { return "'" + text.replaceAll("'", "'\\''") + "'"; }

function curlText(method, url, headers, body) {
  const shown = Object.entries(headers).map(([name, value]) =>
    name === "Authorization" ? '-H "Authorization: Bearer $SANDBOXD_TOKEN"' : "-H " + shellQuote(name + ": " + value));
  const parts = ["curl -sS -X " + method.toUpperCase() + " " + shellQuote(location.origin + url), ...shown];
  if (body !== undefined) parts.push("-d " + shellQuote(body));
  return parts.join(" \\\n  ");
}

// Streams have no end: what has come is shown as it comes, until it is stopped.
async function show(response, output, status, began) {
  status.textContent = response.status + " " + response.statusText + " in " + Math.round(performance.now() - began) + " ms";
  status.className = "status " + (response.ok ? "good" : "bad");
  output.hidden = false;
  output.textContent = "";
  const isStream = (response.headers.get("Content-Type") || "").startsWith("text/event-stream");
  if (!isStream) {
    output.textContent = pretty(await response.text()) || "(no body)";
    return;
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) output.append(piece.value);
}

function tryIt(path, method, operation, fields) {
  const content = operation.requestBody && operation.requestBody.content["application/json"];
  const body = content && el("textarea", { rows: 12, spellcheck: "false", "aria-label": "Request body" });
  if (body) body.value = JSON.stringify(content.example || {}, null, 2);
  const status = el("span", { class: "status", role: "status" });
  const output = el("pre", { hidden: true });
  const command = el("pre", { hidden: true });
  let running = null;
  const text = () => (body ? body.value : undefined);
  const send = el("button", { type: "button", onclick: async () => {
    if (running) { running.abort(); return; }
    const missing = fields.find(({ parameter, input }) => parameter.in === "path" && input.value === "");
    if (missing) { missing.input.focus(); status.textContent = missing.parameter.name + " is needed"; return; }
    running = new AbortController();
    send.textContent = "Stop";
    const began = performance.now();
    try {
      const response = await fetch(buildUrl(path, fields), {
        method: method.toUpperCase(), headers: headersOf(fields, Boolean(body)), body: text(), signal: running.signal });
      await show(response, output, status, began);
    } catch (error) {
      status.className = "status bad";
      status.textContent = error.name === "AbortError" ? "stopped" : "no answer: " + error.message;
    }
    running = null;
    send.textContent = "Send";
  } }, "Send");
  const copy = el("button", { type: "button", class: "quiet", onclick: () => {
    command.hidden = !command.hidden;
    command.textContent = curlText(method, buildUrl(path, fields), headersOf(fields, Boolean(body)), text());
  } }, "curl");
  return [body && el("h3", {}, "Body"), body, el("div", { class: "act" }, send, copy, status), command, output];
}

function drawOperation(path, method, operation) {
  const parameters = (operation.parameters || []).map(resolve);
  const fields = parameters.map((parameter) => ({
    parameter, input: el("input", { "aria-label": parameter.name, placeholder: (parameter.schema && parameter.schema.example) || "" }) }));
  const rows = fields.map(({ parameter, input }) => el("tr", {},
    el("td", {}, el("code", {}, parameter.name), " ", parameter.required ? el("span", { class: "must" }, "required") : "",
      el("div", { class: "kind" }, parameter.in)),
    el("td", {}, parameter.description || "", el("div", { class: "kind" }, kindOf(parameter.schema), " ", limits(parameter.schema))),
    el("td", {}, input)));
  const content = operation.requestBody && operation.requestBody.content["application/json"];
  const answers = Object.entries(operation.responses).map(([code, raw]) => {
    const response = resolve(raw);
    const media = Object.entries(response.content || {})[0];
    const kind = media && media[1].schema && media[1].schema.$ref ? kindOf(media[1].schema) : media ? media[0] : "";
    return el("tr", {}, el("td", { class: "code" }, code), el("td", {}, response.description),
      el("td", {}, el("span", { class: "kind" }, kind)));
  });
  const isPublic = operation.security && operation.security.length === 0;
  const inside = el("div", { class: "inside" },
    operation.description && el("p", {}, operation.description),
    rows.length && el("h3", {}, "Parameters"), rows.length && el("table", {}, ...rows),
    content && content.schema.$ref && el("h3", {}, "Members of the body"),
    content && content.schema.$ref && schemaTable(content.schema),
    ...tryIt(path, method, operation, fields),
    el("h3", {}, "Answers"), el("table", {}, ...answers));
  return el("details", { class: "operation", id: operation.operationId },
    el("summary", {}, el("span", { class: "verb " + method }, method), el("span", { class: "path" }, path),
      isPublic ? el("span", { class: "open" }, "no token") : "", el("span", { class: "what" }, operation.summary)), inside);
}

function draw() {
  document.getElementById("version").textContent = doc.info.version;
  document.getElementById("intro").append(el("h1", {}, doc.info.title), el("p", {}, doc.info.description));
  const nav = document.getElementById("nav");
  const list = document.getElementById("operations");
  list.textContent = "";
  for (const tag of doc.tags) {
    const links = [];
    const cards = [];
    for (const [path, item] of Object.entries(doc.paths)) {
      for (const method of METHODS.filter((name) => item[name] && item[name].tags.includes(tag.name))) {
        const operation = item[method];
        cards.push(drawOperation(path, method, operation));
        links.push(el("a", { href: "#" + operation.operationId }, el("span", { class: "verb " + method }, method), operation.summary));
      }
    }
    nav.append(el("div", {}, el("h2", {}, tag.name), ...links));
    list.append(el("section", {}, el("div", { class: "group" }, el("h2", {}, tag.name), el("p", {}, tag.description)), ...cards));
  }
  const schemas = document.getElementById("schemas");
  schemas.append(el("div", { class: "group" }, el("h2", {}, "Schemas"), el("p", {}, "The objects that are sent and answered.")));
  for (const [name, schema] of Object.entries(doc.components.schemas)) {
    schemas.append(el("details", { id: "schema-" + name }, el("summary", {}, name), el("div", { class: "inside" }, schemaTable(schema))));
  }
  openTarget();
}

function openTarget() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target && target.tagName === "DETAILS") {
    target.open = true;
    target.scrollIntoView();
  }
  for (const link of document.querySelectorAll("nav a")) link.classList.toggle("now", link.hash === location.hash);
}

function search(event) {
  const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (node) => words.every((word) => node.textContent.toLowerCase().includes(word));
  for (const card of document.querySelectorAll("details.operation")) card.hidden = !fits(card.querySelector("summary"));
  for (const link of document.querySelectorAll("nav a")) link.hidden = document.querySelector(link.hash).hidden;
  for (const group of document.querySelectorAll("#operations section")) group.hidden = !group.querySelector("details:not([hidden])");
  for (const part of nav.children) part.hidden = !part.querySelector("a:not([hidden])");
}

async function start() {
  const token = document.getElementById("token");
  token.value = sessionStorage.getItem("sandboxd-token") || "";
  token.addEventListener("input", () => sessionStorage.setItem("sandboxd-token", token.value));
  document.getElementById("search").addEventListener("input", search);
  window.addEventListener("hashchange", openTarget);
  try {
    const response = await fetch("/openapi.json");
    if (!response.ok) throw new Error("status " + response.status);
    doc = await response.json();
  } catch (error) {
    document.getElementById("operations").textContent = "The description cannot be loaded: " + error.message;
    return;
  }
  draw();
}

start();
