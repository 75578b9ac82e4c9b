/** Starts the dashboard. */

import "uplot/dist/uPlot.min.css";
import "./style/tokens.css";
import "./style/base.css";
import "./style/shell.css";
import "./style/parts.css";
import "./style/overlays.css";
import "./style/forms.css";
import "./style/views.css";
import "./style/run.css";
import "./style/pictures.css";
import { render } from "preact";
import { App } from "./app.tsx";
import { takeClicks } from "./router.ts";

const root = document.getElementById("app");
if (root) {
  takeClicks(root);
  render(<App />, root);
}
