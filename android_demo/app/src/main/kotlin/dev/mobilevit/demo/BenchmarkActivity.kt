package dev.mobilevit.demo

import android.app.Activity
import android.content.ClipData
import android.content.ClipboardManager
import android.os.Build
import android.os.Bundle
import android.view.View
import android.view.ViewGroup
import android.widget.ProgressBar
import android.widget.TextView
import android.widget.Toast
import android.widget.Toolbar
import dev.mobilevit.demo.core.Benchmark
import dev.mobilevit.demo.core.Timing

/** Times the model in use on this device: 1, 2 and 4 threads, with the XNNPACK delegate and without. */
class BenchmarkActivity : Activity() {
    private val session get() = (application as DemoApp).session
    private val run get() = session.benchmark
    private val onBenchmark: (BenchmarkState) -> Unit = ::show
    private val onSession: (ScreenState) -> Unit = { findViewById<Toolbar>(R.id.toolbar).subtitle = it.modelName }

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContentView(R.layout.activity_benchmark)
        Insets.pad(findViewById(R.id.root))
        findViewById<Toolbar>(R.id.toolbar).setNavigationOnClickListener { finish() }
        findViewById<TextView>(R.id.explanation).text =
            getString(R.string.benchmark_explanation, Benchmark.RUNS, Benchmark.WARM_UP_RUNS)
        findViewById<View>(R.id.start).setOnClickListener { run.start() }
        findViewById<View>(R.id.copy).setOnClickListener { copy() }
    }

    override fun onStart() {
        super.onStart()
        run.observed.add(onBenchmark)
        session.observed.add(onSession)
    }

    override fun onStop() {
        run.observed.remove(onBenchmark)
        session.observed.remove(onSession)
        super.onStop()
    }

    override fun onDestroy() {
        if (isFinishing) run.stop()
        super.onDestroy()
    }

    private fun show(state: BenchmarkState) {
        findViewById<View>(R.id.start).isEnabled = !state.running
        findViewById<View>(R.id.copy).isEnabled = state.isComplete
        findViewById<ProgressBar>(R.id.progress).apply {
            visibility = if (state.running) View.VISIBLE else View.INVISIBLE
            max = Benchmark.SETTINGS.size
            progress = state.timings.size
        }
        findViewById<TextView>(R.id.problem).apply {
            visibility = if (state.problem != null) View.VISIBLE else View.GONE
            state.problem?.let { setText(it.text) }
        }
        val rows = findViewById<ViewGroup>(R.id.timings)
        rows.removeAllViews()
        val slowest = state.timings.maxOfOrNull { it.percentile95 } ?: 0.0
        state.timings.forEach { rows.addView(row(it, slowest, rows)) }
    }

    private fun row(timing: Timing, slowest: Double, parent: ViewGroup): View {
        val row = layoutInflater.inflate(R.layout.row_guess, parent, false)
        val threads = resources.getQuantityString(R.plurals.threads, timing.setting.threads, timing.setting.threads)
        val delegate = getString(if (timing.setting.xnnpack) R.string.with_xnnpack else R.string.without_xnnpack)
        val label = getString(R.string.setting, delegate, threads, timing.steps)
        val times = getString(R.string.timing, timing.median, timing.percentile95)
        row.findViewById<TextView>(R.id.label).text = label
        row.findViewById<TextView>(R.id.score).text = times
        row.findViewById<ProgressBar>(R.id.bar).apply { progress = (timing.median / slowest * max).toInt() }
        row.contentDescription = getString(R.string.guess_spoken, label, times)
        return row
    }

    private fun copy() {
        val device = "${Build.MANUFACTURER} ${Build.MODEL}, Android ${Build.VERSION.RELEASE}"
        val line = Benchmark.line(device, session.state.modelName.orEmpty(), run.state.timings)
        val clip = ClipData.newPlainText(getString(R.string.benchmark), line)
        getSystemService(ClipboardManager::class.java).setPrimaryClip(clip)
        Toast.makeText(this, R.string.copied, Toast.LENGTH_SHORT).show()
    }
}
