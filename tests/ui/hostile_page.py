"""Try against the Dagster UI what a page of another origin may, as GraphQL and as JavaScript."""

from __future__ import annotations

ADD = """mutation {
  addDynamicPartition(
    partitionsDefName: "vintages", partitionKey: "KEY", repositorySelector: {
      repositoryLocationName: "numebot_dagster.definitions", repositoryName: "__repository__"
    }
  ) { __typename }
}"""
VINTAGES = """{
  assetNodeOrError(assetKey: {path: ["training", "data"]}) {
    ... on AssetNode { partitionKeys }
  }
}"""
FORGED = "report_asset_materialization/models/steady_1/submission"
MATERIALIZATIONS = """{
  assetOrError(assetKey: {path: ["models", "steady_1", "submission"]}) {
    ... on Asset { assetMaterializations { partition } }
  }
}"""

# Each way in which a page can ask another server for something without being allowed to.
ATTACKS = """async ([url, add, forged]) => {
  const query = key => `${url}/graphql?query=${encodeURIComponent(add.replace("KEY", key))}`;
  const loaded = element => new Promise(done => {
    element.onload = element.onerror = done;
    document.body.append(element);
  });
  const image = document.createElement("img");
  image.src = query("image");
  await loaded(image);
  for (const [name, action] of [["form", query("form")], ["report", `${url}/${forged}`]]) {
    const frame = document.createElement("iframe");
    frame.name = name;
    document.body.append(frame);
    const form = document.createElement("form");
    Object.assign(form, {method: "POST", action, enctype: "text/plain", target: name});
    document.body.append(form);
    const over = new Promise(done => { frame.onload = done; });
    form.submit();
    await over;
  }
  const blind = {method: "POST", mode: "no-cors", credentials: "include"};
  const body = JSON.stringify({partition: "FORGED", query: add.replace("KEY", "body")});
  await fetch(query("fetch"), blind).catch(() => null);
  await fetch(`${url}/graphql`, {...blind, body}).catch(() => null);
  await fetch(`${url}/${forged}?partition=FORGED`, {...blind, body}).catch(() => null);
  const socket = new WebSocket(`${url.replace("http", "ws")}/graphql`, "graphql-ws");
  return await new Promise(done => {
    socket.onopen = () => done("the WebSocket opened");
    socket.onerror = socket.onclose = () => done("refused");
  });
}"""
OWN = """async ([url, add]) => {
  const socket = new WebSocket(`${url.replace("http", "ws")}/graphql`, "graphql-ws");
  await new Promise((done, failed) => { socket.onopen = done; socket.onerror = failed; });
  socket.close();
  const answer = await fetch("/graphql", {
    method: "POST",
    headers: {"Content-Type": "application/json"},
    body: JSON.stringify({query: add.replace("KEY", "own")}),
  });
  return answer.status;
}"""
