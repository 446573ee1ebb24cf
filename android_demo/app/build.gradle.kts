plugins {
    id("com.android.application")
    id("org.jetbrains.kotlin.android")
}

fun setting(name: String): String = providers.gradleProperty(name).get()

android {
    namespace = setting("applicationId")
    compileSdk = setting("compileSdk").toInt()

    defaultConfig {
        applicationId = setting("applicationId")
        minSdk = setting("minSdk").toInt()
        targetSdk = setting("targetSdk").toInt()
        versionCode = setting("versionCode").toInt()
        versionName = setting("versionName")
        ndk {
            abiFilters += listOf("arm64-v8a", "x86_64")
        }
    }

    buildTypes {
        release {
            isMinifyEnabled = true
            proguardFiles(getDefaultProguardFile("proguard-android-optimize.txt"), "proguard-rules.pro")
        }
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_11
        targetCompatibility = JavaVersion.VERSION_11
    }

    androidResources {
        noCompress += "tflite" // the model is mapped from inside the APK
    }

    sourceSets["main"].assets.srcDir(layout.buildDirectory.dir("demoAssets").get().asFile)
}

kotlin {
    compilerOptions {
        jvmTarget.set(org.jetbrains.kotlin.gradle.dsl.JvmTarget.JVM_11)
    }
}

// The model and the sample photos exist once in the repository; -Pmodel=path takes another model.
val demoAssets = tasks.register<Sync>("demoAssets") {
    from(providers.gradleProperty("model").getOrElse("../../models/flowers_xxs_int8.tflite")) {
        rename { "model.tflite" }
    }
    from("../../examples") {
        include("*.jpg", "CREDITS.md")
        into("samples")
    }
    into(layout.buildDirectory.dir("demoAssets"))
}

tasks.named("preBuild") {
    dependsOn(demoAssets)
}

dependencies {
    implementation("com.google.ai.edge.litert:litert:${setting("litertVersion")}")
}
