// The page: one of four views, by the address.
import { render } from "preact";
import { useEffect, useReducer } from "preact/hooks";
import { followLinks, readPath } from "./router";
import "./page.css";
import { BuildView } from "./views/build";
import { BuilderView } from "./views/builder";
import { HomeView } from "./views/home";
import { NowView } from "./views/now";

function Page() {
  const [, show] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    const shown = () => show(undefined);
    addEventListener("popstate", shown);
    document.addEventListener("click", followLinks);
    return () => {
      removeEventListener("popstate", shown);
      document.removeEventListener("click", followLinks);
    };
  }, []);
  const route = readPath(location.pathname, location.hash);
  switch (route.view) {
    case "home":
      return <HomeView />;
    case "now":
      return <NowView />;
    case "builder":
      return <BuilderView key={route.name} name={route.name} />;
    case "build":
      return <BuildView key={`${route.name}/${route.number}`} {...route} />;
    case "nowhere":
      return (
        <main id="main">
          <h1>There is nothing here</h1>
          <p><a href="/">All builders</a></p>
        </main>
      );
  }
}

const app = document.getElementById("app");
if (app !== null) render(<Page />, app);
