export default function Page() {
  return <a href="/train">Train one step</a>
}
