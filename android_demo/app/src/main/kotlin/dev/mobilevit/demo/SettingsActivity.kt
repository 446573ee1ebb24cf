package dev.mobilevit.demo

import android.app.Activity
import android.os.Bundle
import android.view.View
import android.widget.CheckBox
import android.widget.RadioButton
import android.widget.RadioGroup
import android.widget.SeekBar
import android.widget.TextView
import android.widget.Toolbar
import dev.mobilevit.demo.core.Settings
import java.text.NumberFormat

/** The user's [Settings]: each change is kept at once, and answers the photo on the main screen again. */
class SettingsActivity : Activity(), SeekBar.OnSeekBarChangeListener {
    private val session get() = (application as DemoApp).session
    private val own by lazy { findViewById<CheckBox>(R.id.own_threshold) }
    private val bar by lazy { findViewById<SeekBar>(R.id.threshold) }
    private val value by lazy { findViewById<TextView>(R.id.threshold_value) }

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContentView(R.layout.activity_settings)
        Insets.pad(findViewById(R.id.root))
        findViewById<Toolbar>(R.id.toolbar).setNavigationOnClickListener { finish() }
        val settings = session.state.settings
        choices(R.id.threads, Settings.THREADS, settings.threads) { copy(threads = it) }
        choices(R.id.results, Settings.RESULTS, settings.results) { copy(results = it) }
        check(R.id.live_times, settings.liveTimes) { copy(liveTimes = it) }
        check(R.id.live_frame, settings.liveFrame) { copy(liveFrame = it) }
        bar.max = Settings.THRESHOLDS.last
        bar.progress = settings.threshold ?: STANDARD_THRESHOLD
        bar.setOnSeekBarChangeListener(this)
        own.isChecked = settings.threshold == null
        own.setOnCheckedChangeListener { _, _ -> thresholdChanged() }
        showThreshold()
    }

    override fun onProgressChanged(bar: SeekBar, progress: Int, fromUser: Boolean) = showThreshold()

    override fun onStartTrackingTouch(bar: SeekBar) = Unit

    override fun onStopTrackingTouch(bar: SeekBar) = thresholdChanged()

    private fun thresholdChanged() {
        showThreshold()
        val chosen = if (own.isChecked) null else bar.progress
        session.change { it.copy(threshold = chosen) }
    }

    private fun showThreshold() {
        bar.isEnabled = !own.isChecked
        value.text = NumberFormat.getPercentInstance().format(bar.progress / 100.0)
        value.visible(!own.isChecked)
    }

    private fun choices(group: Int, values: List<Int>, chosen: Int, change: Settings.(Int) -> Settings) {
        val view = findViewById<RadioGroup>(group)
        for (number in values) {
            val button = layoutInflater.inflate(R.layout.choice, view, false) as RadioButton
            button.id = View.generateViewId() // so that the group can tell them apart
            button.isSaveEnabled = false // the settings are what is kept
            button.tag = number
            button.text = NumberFormat.getIntegerInstance().format(number)
            button.isChecked = number == chosen
            view.addView(button)
        }
        view.setOnCheckedChangeListener { _, id ->
            val number = view.findViewById<View>(id).tag as Int
            session.change { it.change(number) }
        }
    }

    private fun check(box: Int, checked: Boolean, change: Settings.(Boolean) -> Settings) {
        findViewById<CheckBox>(box).apply {
            isChecked = checked
            setOnCheckedChangeListener { _, now -> session.change { it.change(now) } }
        }
    }

    private companion object {
        const val STANDARD_THRESHOLD = 50 // percent, where the slider stands until it is moved
    }
}
